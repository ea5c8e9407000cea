"""How many requests may be under way at one provider: as many as it bears, found out by asking."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

DECREASE: Final = 0.5
"""Of additive increase and multiplicative decrease: Chiu and Jain, 1989, as in TCP."""


class AdaptiveLimit:
    """Additive increase, halved at a rate limit. Until the first rate limit it doubles per round, as TCP starts.

    It grows only while it is what holds requests back, so an idle hour does not raise it. All requests of one
    provider share one; it may serve one event loop after another.
    """

    def __init__(self, start: int, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with `start` requests at once, and never have more than `most`."""
        self._limit = float(min(start, most))
        self._most = most
        self._clock = clock
        self._under_way = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._probing = True
        self._paused_until = 0.0
        self._cut_at = float("-inf")

    @property
    def limit(self) -> int:
        """Requests that may be under way now."""
        return max(1, int(self._limit))

    @property
    def under_way(self) -> int:
        """Requests that are under way now."""
        return self._under_way

    @property
    def pause_s(self) -> float:
        """Seconds for which the provider still wants to be left alone."""
        return max(0.0, self._paused_until - self._clock())

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn, in the order of arrival, and hold it for the block."""
        await self._admitted()
        try:
            yield
        finally:
            self._under_way -= 1
            self._wake()

    async def rested(self) -> float:
        """Wait until the provider wants requests again; gives when that is, on the limit's clock."""
        while (pause_s := self.pause_s) > 0:
            await asyncio.sleep(pause_s)
        return self._clock()

    def succeeded(self) -> None:
        """A request was answered: more may be tried, when more are wanted."""
        if self._waiting or self._under_way >= self.limit:
            self._limit = min(self._most, self._limit + (1.0 if self._probing else 1.0 / self._limit))
            self._wake()

    def rate_limited(self, began_at: float, pause_s: float) -> None:
        """A request that began at `began_at` met a rate limit; none is sent for `pause_s`.

        Requests that were under way together meet it together: they halve the limit once.
        """
        now = self._clock()
        self._probing = False
        self._paused_until = max(self._paused_until, now + pause_s)
        if began_at > self._cut_at:
            self._limit = max(1.0, min(self._limit, self._under_way) * DECREASE)
            self._cut_at = now

    async def _admitted(self) -> None:
        if not self._waiting and self._under_way < self.limit:
            self._under_way += 1
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                # The turn was given in the moment of giving up: it goes to the next.
                self._under_way -= 1
                self._wake()
            with suppress(ValueError):
                self._waiting.remove(waiter)
            raise

    def _wake(self) -> None:
        while self._waiting and self._under_way < self.limit:
            waiter = self._waiting.popleft()
            if not waiter.done():
                self._under_way += 1
                waiter.set_result(None)
