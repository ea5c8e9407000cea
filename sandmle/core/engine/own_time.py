"""How long a scaffold may keep an episode to itself: while it waits for the host, its time stands still."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Final

GRACE_S: Final = 60.0
"""Seconds a scaffold has to come to its end once its episode's time is over and nothing is being done for it."""


class BlockedError(BaseException):
    """Raised in the middle of a scaffold that keeps the event loop to itself.

    It is no `Exception`, so that a scaffold that catches those does not catch it.
    """


class OwnTime:
    """The time of one episode that its scaffold spends on its own, neither asking nor acting.

    What the host does for it has deadlines of its own and may begin just before the episode's time is over.
    """

    def __init__(self, remaining_s: Callable[[], float]) -> None:
        """Start without a limit.

        Args:
            remaining_s: seconds left to the episode, negative when it is over.
        """
        self._remaining_s = remaining_s
        self._scope: asyncio.Timeout | None = None
        self._served = 0

    def longest_s(self) -> float:
        """Seconds from now after which a scaffold that does nothing but its own work hangs."""
        return max(0.0, self._remaining_s()) + GRACE_S

    @contextmanager
    def playing(self) -> Iterator[None]:
        """Inside the block, and in tasks that are started there, it is this episode's scaffold that runs."""
        token = _PLAYING.set(self)
        try:
            yield
        finally:
            _PLAYING.reset(token)

    @property
    def runs(self) -> bool:
        """Whether the scaffold is at its own work."""
        return self._served == 0

    def limit(self, scope: asyncio.Timeout) -> None:
        """Have `scope` end a scaffold that hangs."""
        self._scope = scope

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """Stop the time inside the block, in which the host works for the scaffold; blocks may overlap."""
        self._served += 1
        self._reschedule()
        try:
            yield
        finally:
            self._served -= 1
            self._reschedule()

    def _reschedule(self) -> None:
        if self._scope is None:
            return
        when = None if self._served else asyncio.get_running_loop().time() + self.longest_s()
        # A scaffold may leave a task of its own behind, which then asks after the scope is over.
        with suppress(RuntimeError):
            self._scope.reschedule(when)


_PLAYING: Final[ContextVar[OwnTime | None]] = ContextVar("playing", default=None)


def scaffold_at_work() -> bool:
    """Whether the code that asks, or that a signal has interrupted, is a scaffold's own."""
    own_time = _PLAYING.get()
    return own_time is not None and own_time.runs
