"""Threads for what blocks. One that never ends keeps neither the others from working nor the program from ending.

A node of LangGraph that is a plain function runs in one, as does what a scaffold hands to `asyncio.to_thread`: no
deadline ends those. Python's own executor waits for them for ever when the event loop closes, and again at the exit.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import partial
from types import TracebackType
from typing import Final, ParamSpec, TypeVar

MOST: Final = min(32, (os.cpu_count() or 1) + 4)
"""Threads at work at once, beside those that are held up: as many as Python's own executor has."""
HELD_UP_S: Final = 30.0
"""A thread that has been at one thing for so long no longer counts: another may take its place."""
CLOSING_S: Final = 5.0
"""How long closing waits for what is under way."""

P = ParamSpec("P")
T = TypeVar("T")


class LooseThreads(ThreadPoolExecutor):
    """What an event loop takes for its default executor; its threads end with the program whatever they do."""

    def __init__(self) -> None:
        super().__init__(max_workers=1)
        self._jobs: deque[Callable[[], None] | None] = deque()
        self._changed = threading.Condition()
        """Held while jobs are put down or taken up."""
        self._idle = 0
        self._workers: list[threading.Thread] = []
        self._busy_since: dict[int, float] = {}
        """When each thread at work began what it is doing."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have `fn` called in a thread; one is started where none is idle."""
        future: Future[T] = Future()
        with self._changed:
            self._jobs.append(partial(_do, future, partial(fn, *args, **kwargs)))
            self._changed.notify()
            is_short = len(self._jobs) > self._idle and len(self._workers) < MOST + self._held_up()
            if is_short:
                worker = threading.Thread(target=self._work, name=f"loose-{len(self._workers)}", daemon=True)
                self._workers.append(worker)
        if is_short:
            worker.start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the idle threads; wait a little for the others, and leave them behind."""
        super().shutdown(wait=False)
        until = time.monotonic() + (CLOSING_S if wait else 0.0)
        with self._changed:
            self._jobs.extend(None for _ in self._workers)
            self._changed.notify_all()
        for worker in self._workers:
            worker.join(max(0.0, until - time.monotonic()))

    def _held_up(self) -> int:
        now = time.monotonic()
        return sum(now - since > HELD_UP_S for since in tuple(self._busy_since.values()))

    def _work(self) -> None:
        number = threading.get_ident()
        while (job := self._next()) is not None:
            self._busy_since[number] = time.monotonic()
            job()
            del self._busy_since[number]

    def _next(self) -> Callable[[], None] | None:
        with self._changed:
            self._idle += 1
            self._changed.wait_for(lambda: self._jobs)
            self._idle -= 1
            return self._jobs.popleft()


def _do(future: Future[T], call: Callable[[], T]) -> None:
    if future.set_running_or_notify_cancel():
        with _FailureOf(future):
            future.set_result(call())


class _FailureOf(AbstractContextManager[None]):
    """Whatever is raised inside the block is the future's, as it would be with any executor."""

    def __init__(self, future: "Future[T]") -> None:
        self._future = future

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if problem is not None:
            self._future.set_exception(problem)
        return True
