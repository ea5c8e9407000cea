"""Ctrl-C: once drains, twice stops. The one `asyncio.run` of the program stands here."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import redirect_stdout
from typing import TypeVar

from sandmle.core.engine.blocking import ending_blocks
from sandmle.core.engine.loose_threads import LooseThreads

T = TypeVar("T")

SIGNALS = (signal.SIGINT, signal.SIGTERM)
DRAINING = "\ninterrupted: finishing what is under way, starting nothing new; once more stops at once\n"
STOPPING = "\nstopping; what is finished is kept, and the same command goes on from there\n"


def run_until_interrupted(main: Callable[[asyncio.Event], Awaitable[T]]) -> T:
    """Run `main` on a new event loop and turn SIGINT and SIGTERM into a drain, then into a stop.

    The first signal sets the event that `main` was given: it finishes what is under way, starts nothing
    new and returns; its result says that it stopped short (exit code 3). The second cancels `main`, whose
    open resources close on the way out. A third, while they close, ends the loop where it stands. What is printed on
    stdout meanwhile goes to stderr.

    Raises:
        KeyboardInterrupt: after the second signal; the program exits with 130.
    """
    # What plugins and libraries print meanwhile must not get into a JSON document.
    with redirect_stdout(sys.stderr):
        return asyncio.run(_supervise(main))


async def _supervise(main: Callable[[asyncio.Event], Awaitable[T]]) -> T:
    loop = asyncio.get_running_loop()
    loop.set_default_executor(LooseThreads())
    drain = asyncio.Event()
    task = asyncio.ensure_future(main(drain))
    stopped = False

    def interrupted() -> None:
        nonlocal stopped
        if not drain.is_set():
            drain.set()
            sys.stderr.write(DRAINING)
            return
        stopped = True
        sys.stderr.write(STOPPING)
        task.cancel()
        # Closing may hang too; from here on the signals have their default effect.
        for number in SIGNALS:
            loop.remove_signal_handler(number)

    for number in SIGNALS:
        loop.add_signal_handler(number, interrupted)
    try:
        with ending_blocks():
            return await task
    except asyncio.CancelledError:
        if stopped:
            raise KeyboardInterrupt from None
        raise
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)
