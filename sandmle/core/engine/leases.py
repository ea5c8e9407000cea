"""Whose turn it is: sessions are started and cells are run a few at a time, first come, first served.

Episodes mostly wait for their model. When many of them get an answer at once, running all their cells
together would only make each one late, past deadlines that were meant for the code and not for the
crowd. So a cell waits for a processor before its deadline begins, and a new session waits until few
others are being started. This holds for every sandbox: a turn is taken around the calls of its contract.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass


class Leases:
    """The turns of one run, shared by its episodes."""

    def __init__(self, *, cells: int | None = None, starts: int | None = None) -> None:
        """Begin with every turn free.

        Args:
            cells: Cells that run at once; `None` for one more than processors, so that none idles in between.
            starts: Sessions that are started at once; `None` for as many as there are processors.
        """
        processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        # The semaphores of asyncio are fair: whoever waits longest is next, and nobody overtakes.
        self.cells = asyncio.Semaphore(cells or processors + 1)
        self.starts = asyncio.Semaphore(starts or processors)


@dataclass(slots=True)
class Queue:
    """One episode's waits for a turn."""

    seconds: float = 0.0
    """Waited so far, all turns together."""

    @asynccontextmanager
    async def turn(self, turns: asyncio.Semaphore) -> AsyncIterator[None]:
        """Wait for one of `turns` and keep it inside the block."""
        began = time.monotonic()
        try:
            await turns.acquire()
        finally:
            self.seconds += time.monotonic() - began
        try:
            yield
        finally:
            turns.release()
