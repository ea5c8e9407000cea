"""Deadlines on everything awaited outside our own code, and closing that cancellation cannot interrupt."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

from sandmle.core.errors import InfrastructureError, boundary


@asynccontextmanager
async def deadline(seconds: float, error: type[InfrastructureError], doing: str) -> AsyncIterator[asyncio.Timeout]:
    """Attribute whatever goes wrong in the block to `error`, running longer than `seconds` included.

    Gives the scope that keeps the time, see `standing_still`.

    A block that never gives control back to the event loop cannot be ended from here.

    Raises:
        error: the time is over, or an exception that is not of our own tree escaped the block.
    """
    with boundary(error, doing):
        try:
            async with asyncio.timeout(seconds) as scope:
                yield scope
        except TimeoutError as problem:
            if scope.expired():
                raise error(f"{doing}: no answer within {seconds:g} s") from problem
            raise


@contextmanager
def standing_still(scope: asyncio.Timeout) -> Iterator[None]:
    """Stop the time of `scope` inside the block; it goes on afterwards with what was left of it."""
    loop, until = asyncio.get_running_loop(), scope.when()
    # Whoever waits here may have been left alone by a scope that is over.
    with suppress(RuntimeError):
        left = None if until is None else until - loop.time()
        scope.reschedule(None)
    try:
        yield
    finally:
        with suppress(RuntimeError):
            scope.reschedule(None if left is None else loop.time() + left)


async def see_through(closing: Coroutine[Any, Any, None], seconds: float) -> None:
    """Run `closing` to its end even when the caller is cancelled meanwhile; the cancellation follows then.

    Gives up after `seconds`, silently: what could not be closed in time is left to the operating system.
    """
    task = asyncio.create_task(closing)
    try:
        # Unlike awaiting the task itself, being cancelled while waiting for it does not cancel it.
        await asyncio.wait({task}, timeout=seconds)
    except asyncio.CancelledError:
        await asyncio.wait({task}, timeout=seconds)
        raise
    finally:
        task.cancel()
    if task.done() and not task.cancelled():
        task.result()
