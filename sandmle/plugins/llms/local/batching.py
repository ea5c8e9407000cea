"""Collects requests that arrive together and has them decoded together, in one thread of its own."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from sandmle.plugins.llms.local.generation import Request, Sampled

Decode = Callable[[Sequence[Request]], list[Sampled]]


class Batcher:
    """Hands batches to `decode`, one after another. While one is decoded, the next gathers."""

    def __init__(self, decode: Decode, *, window_s: float, max_batch: int) -> None:
        self._decode = decode
        self._window_s = window_s
        self._max_batch = max_batch
        self._waiting: deque[tuple[Request, asyncio.Future[Sampled]]] = deque()
        self._serving: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sandmle-local-policy")

    async def submit(self, request: Request) -> Sampled:
        """Have one request answered. Whatever `decode` raises is raised to every request of its batch."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Sampled] = loop.create_future()
        self._waiting.append((request, answer))
        if self._serving is None or self._serving.done():
            self._serving = loop.create_task(self._serve())
        return await answer

    async def close(self) -> None:
        """Answer nobody any more; a batch under way is decoded to its end. Idempotent."""
        if self._serving is not None:
            self._serving.cancel()
        for _, answer in self._waiting:
            answer.cancel()
        self._waiting.clear()
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _serve(self) -> None:
        await asyncio.sleep(self._window_s)
        while batch := self._next_batch():
            await self._answer(batch)

    def _next_batch(self) -> list[tuple[Request, asyncio.Future[Sampled]]]:
        batch: list[tuple[Request, asyncio.Future[Sampled]]] = []
        while self._waiting and len(batch) < self._max_batch:
            request, answer = self._waiting.popleft()
            # Whoever gave up waiting is not decoded for.
            if not answer.done():
                batch.append((request, answer))
        return batch

    async def _answer(self, batch: Sequence[tuple[Request, asyncio.Future[Sampled]]]) -> None:
        loop = asyncio.get_running_loop()
        decoding = loop.run_in_executor(self._thread, self._decode, [request for request, _ in batch])
        await asyncio.wait({decoding})
        problem = decoding.exception()
        for number, (_, answer) in enumerate(batch):
            if answer.done():
                continue
            if problem is not None:
                answer.set_exception(problem)
            else:
                answer.set_result(decoding.result()[number])
