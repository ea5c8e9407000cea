"""Deadlines on everything awaited outside our own code, and closing that cancellation cannot interrupt."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from sandmle.core.errors import InfrastructureError, SandmleError, boundary

log = logging.getLogger(__name__)


@asynccontextmanager
async def deadline(seconds: float, error: type[InfrastructureError], doing: str) -> AsyncIterator[asyncio.Timeout]:
    """Attribute whatever goes wrong in the block to `error`, running longer than `seconds` included.

    Gives the scope that keeps the time.

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


@asynccontextmanager
async def closed_in_the_end(
    close: Callable[[], Coroutine[Any, Any, None]], seconds: float, error: type[InfrastructureError], doing: str
) -> AsyncIterator[None]:
    """See a closing through when the block is left. What went wrong first is what is told, cancellation included.

    Raises:
        error: the block went well, and closing did not.
    """
    try:
        yield
    except BaseException:
        try:
            await _attributed(close, seconds, error, doing)
        except SandmleError as later:
            log.warning("%s", later)
        raise
    await _attributed(close, seconds, error, doing)


async def _attributed(
    close: Callable[[], Coroutine[Any, Any, None]], seconds: float, error: type[InfrastructureError], doing: str
) -> None:
    with boundary(error, doing):
        await see_through(close(), seconds)
