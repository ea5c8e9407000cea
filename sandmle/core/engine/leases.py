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
from typing import Protocol


class Leases:
    """The turns of one run, shared by its episodes."""

    def __init__(
        self, *, cells: int | None = None, starts: int | None = None, starts_per_s: float | None = None
    ) -> None:
        """Begin with every turn free.

        Args:
            cells: Cells that run at once; `None` for one more than processors, so that none idles in between.
            starts: Sessions that are started at once; `None` for as many as there are processors.
            starts_per_s: Sessions that are started in a second, evenly spaced; `None` for as many as can be.
        """
        processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        # The semaphores of asyncio are fair: whoever waits longest is next, and nobody overtakes.
        self.cells = asyncio.Semaphore(cells or processors + 1)
        self.starts = SpacedTurns(starts or processors, starts_per_s)


class Turns(Protocol):
    """Something a few may have at a time. `asyncio.Semaphore` is one."""

    def locked(self) -> bool:
        """Whether whoever asks now has to wait."""
        ...

    async def acquire(self) -> object:
        """Wait for a turn."""
        ...

    def release(self) -> None:
        """Give a turn back."""
        ...


class SpacedTurns:
    """Turns of which a few may be taken at once, and each no sooner than a while after the last."""

    def __init__(self, at_once: int, per_s: float | None = None) -> None:
        self._turns = asyncio.Semaphore(at_once)
        self._gap_s = 1 / per_s if per_s else 0.0
        self._next = 0.0

    def locked(self) -> bool:
        """Whether whoever asks now has to wait."""
        return self._turns.locked() or time.monotonic() < self._next

    async def acquire(self) -> None:
        """Wait for a turn, first come, first served."""
        await self._turns.acquire()
        now = time.monotonic()
        begins = max(now, self._next)
        self._next = begins + self._gap_s
        try:
            await asyncio.sleep(begins - now)
        except asyncio.CancelledError:
            self._turns.release()
            raise

    def release(self) -> None:
        """Give a turn back."""
        self._turns.release()


@dataclass(slots=True)
class Queue:
    """One episode's waits for a turn."""

    seconds: float = 0.0
    """Waited so far, all turns together."""

    @asynccontextmanager
    async def turn(self, turns: Turns) -> AsyncIterator[None]:
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
