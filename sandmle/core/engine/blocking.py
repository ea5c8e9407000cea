"""Ends a scaffold that never gives control back: an endless loop, or a call that blocks, in code that all share.

No deadline of asyncio can: nothing else runs meanwhile. So the operating system's timer looks in, and raises in
the middle of whatever keeps the event loop, if that is a scaffold at its own work.
"""

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from sandmle.core.engine.own_time import BlockedError, scaffold_at_work

TICK_S: Final = 5.0
TICKS: Final = 12
"""So many looks in a row without a turn of the event loop end a scaffold: a minute, and not one long pause of the
whole process, in which ticks do not add up."""


@contextmanager
def ending_blocks() -> Iterator[None]:
    """Look in on the running event loop inside the block; does nothing where signals cannot be used."""
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or not hasattr(signal, "setitimer") or signal.getsignal(signal.SIGALRM) is not signal.SIG_DFL:
        yield
        return
    watch = _Watch(asyncio.get_running_loop())
    signal.signal(signal.SIGALRM, watch.tick)
    signal.setitimer(signal.ITIMER_REAL, TICK_S, TICK_S)
    watch.turn()
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        watch.stop()


class _Watch:
    """Counts looks since the event loop last took a turn."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._ticks = 0
        self._next: asyncio.TimerHandle | None = None

    def turn(self) -> None:
        """The loop runs."""
        self._ticks = 0
        self._next = self._loop.call_later(TICK_S / 2, self.turn)

    def tick(self, number: int, frame: FrameType | None) -> None:
        """The timer's signal; raises into a scaffold that has kept the loop for too long."""
        self._ticks += 1
        if self._ticks >= TICKS and scaffold_at_work():
            self._ticks = 0
            raise BlockedError(f"it kept the event loop to itself for {TICKS * TICK_S:g} s; await what takes time")

    def stop(self) -> None:
        if self._next is not None:
            self._next.cancel()
