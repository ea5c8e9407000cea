"""Threads for what blocks. One that never ends keeps neither the others from working nor the program from ending.

A node of LangGraph that is a plain function runs in one, as does what a scaffold hands to `asyncio.to_thread`: no
deadline ends those. Python's own executor waits for them for ever when the event loop closes, and again at the exit.
"""

import os
import queue
import threading
import time
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
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._workers: list[threading.Thread] = []
        self._busy_since: dict[int, float] = {}
        """When each thread at work began what it is doing."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have `fn` called in a thread; one is started where none is idle."""
        future: Future[T] = Future()
        self._jobs.put(partial(_do, future, partial(fn, *args, **kwargs)))
        if not self._idle.acquire(blocking=False) and len(self._workers) < MOST + self._held_up():
            worker = threading.Thread(target=self._work, name=f"loose-{len(self._workers)}", daemon=True)
            self._workers.append(worker)
            worker.start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the idle threads; wait a little for the others, and leave them behind."""
        super().shutdown(wait=False)
        until = time.monotonic() + (CLOSING_S if wait else 0.0)
        for _ in self._workers:
            self._jobs.put(None)
        for worker in self._workers:
            worker.join(max(0.0, until - time.monotonic()))

    def _held_up(self) -> int:
        now = time.monotonic()
        return sum(now - since > HELD_UP_S for since in tuple(self._busy_since.values()))

    def _work(self) -> None:
        number = threading.get_ident()
        while (job := self._jobs.get()) is not None:
            self._busy_since[number] = time.monotonic()
            job()
            del self._busy_since[number]
            self._idle.release()


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
