"""Tell what a cell writes while it runs, line by line, as it becomes known."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Final

from sandmle.core.contracts.sandbox import SandboxSession, WatchableSession
from sandmle.core.types.sandbox import CellResult

Tell = Callable[[str], None]
"""Gets one line, without its end."""
_LOOK_S: Final = 0.5
_SILENCE_S: Final = 30.0
"""Without a line of the cell's own for so long, it is told that the cell still runs."""


class Stream:
    """What was told of one stream of a cell."""

    def __init__(self) -> None:
        self._seen = ""
        self._last = ""

    def fresh(self, text: str) -> list[str]:
        r"""The complete lines of `text` that are new, given what it was before.

        Once its middle is left out, nobody can say which lines are new; then only the last one, if it is another.

        >>> stream = Stream()
        >>> stream.fresh("one\ntw"), stream.fresh("one\ntwo\nthree\n"), stream.fresh("[...]\nfour\n")
        (['one'], ['two', 'three'], ['four'])
        """
        whole = text[: text.rfind("\n") + 1]
        if whole.startswith(self._seen):
            lines = whole[len(self._seen) :].splitlines()
        else:
            lines = [last for last in whole.splitlines()[-1:] if last != self._last]
        self._seen = whole
        self._last = lines[-1] if lines else self._last
        return lines


async def run_watched(session: SandboxSession, code: str, timeout_s: float, tell: Tell) -> CellResult:
    """Run a cell as `SandboxSession.run` does and tell what it writes meanwhile, where the session can be watched."""
    watching = asyncio.ensure_future(_watch(session, tell))
    try:
        return await session.run(code, timeout_s)
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching


async def _watch(session: SandboxSession, tell: Tell) -> None:
    if not isinstance(session, WatchableSession):
        return
    streams = Stream(), Stream()
    began = told = time.monotonic()
    while True:
        await asyncio.sleep(_LOOK_S)
        output = await session.output_so_far()
        for line in _both(streams, (output.stdout, output.stderr)):
            tell(line)
            told = time.monotonic()
        if time.monotonic() - told >= _SILENCE_S:
            told = time.monotonic()
            tell(f"[still running after {told - began:.0f} s]")


def _both(streams: tuple[Stream, Stream], texts: tuple[str, str]) -> Iterator[str]:
    for stream, text in zip(streams, texts, strict=True):
        yield from stream.fresh(text)
