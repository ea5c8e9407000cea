"""Whose processor time is it? Each piece of work on the event loop's thread is charged to one part, and to one step.

Coroutines are driven by hand: between one suspension and the next they run on this thread and nothing else does, so
the thread's own clock tells what they took, whatever else waits or competes. Tasks that a part starts are its own.
Driving them takes time too; stopped, the clock does nothing, so that a run can be compared with one that it watches.
"""

import asyncio
import time
import types
from collections import Counter
from collections.abc import Coroutine, Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final


@dataclass(slots=True)
class Account:
    """What one episode is charged, step by step."""

    open: Counter[str] = field(default_factory=Counter)
    """The step under way: nanoseconds by part."""
    steps: list[Counter[str]] = field(default_factory=list)

    def close_step(self) -> None:
        """The step under way is over."""
        self.steps.append(self.open)
        self.open = Counter()


@dataclass(frozen=True, slots=True)
class Place:
    """Who is charged for what runs."""

    part: str
    account: Account | None = None


_PLACE: Final[ContextVar[Place | None]] = ContextVar("place", default=None)


class PartClock:
    """Charges the thread's processor time to the innermost part that runs."""

    def __init__(self) -> None:
        self.totals: Counter[str] = Counter()
        """Nanoseconds by part, over everything."""
        self.accounts: list[Account] = []
        self._stopped = False
        self._running: list[Place] = []
        self._since = time.thread_time_ns()

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Charge the tasks of a loop, from now on, to the part that starts them."""
        loop.set_task_factory(self._make_task)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Charge nobody inside the block, and stay out of the way."""
        loop = asyncio.get_running_loop()
        factory = loop.get_task_factory()
        loop.set_task_factory(None)
        self._stopped = True
        try:
            yield
        finally:
            self._stopped = False
            loop.set_task_factory(factory)

    def new_account(self) -> Account:
        account = Account()
        self.accounts.append(account)
        return account

    async def charged(self, work: Coroutine[Any, Any, Any], part: str, account: Account | None = None) -> Any:
        """Await `work` and charge it to `part` of an account, by default the one that is charged already."""
        if self._stopped:
            return await work
        around = _PLACE.get()
        place = Place(part, account or (around.account if around else None))
        token = _PLACE.set(place)
        try:
            return await self._drive(work, place)
        finally:
            _PLACE.reset(token)

    @types.coroutine
    def _drive(self, work: Coroutine[Any, Any, Any], place: Place) -> Generator[Any, Any, Any]:
        sent, problem = None, None
        while True:
            self._enter(place)
            try:
                awaited = work.throw(problem) if problem else work.send(sent)
            except StopIteration as end:
                return end.value
            finally:
                self._leave()
            sent, problem = None, None
            try:
                sent = yield awaited
            # Whatever is thrown in from outside, a cancellation say, is the work's own to deal with.
            except BaseException as thrown:  # noqa: BLE001 - it is thrown on, into the work
                problem = thrown

    def _enter(self, place: Place) -> None:
        self._charge()
        self._running.append(place)

    def _leave(self) -> None:
        self._charge()
        self._running.pop()

    def _charge(self) -> None:
        now = time.thread_time_ns()
        if self._running:
            place = self._running[-1]
            self.totals[place.part] += now - self._since
            if place.account:
                place.account.open[place.part] += now - self._since
        self._since = now

    def _make_task(self, loop: asyncio.AbstractEventLoop, work: Any, **more: Any) -> asyncio.Task[Any]:
        context = more.get("context")
        place = context.get(_PLACE) if context is not None else _PLACE.get()
        return asyncio.Task(self._as_coroutine(work, place) if place else work, loop=loop, **more)

    async def _as_coroutine(self, work: Coroutine[Any, Any, Any], place: Place) -> Any:
        return await self._drive(work, place)
