"""The sandbox `metered`: another sandbox, whose sessions may run for so many seconds in all."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sandmle import CellResult, CellStatus, FetchedFiles, FetchRefusal, IsolationLevel, SandboxLimits
from sandmle.core.contracts.sandbox import Sandbox, SandboxSession

USED_UP = "This session has used up its {seconds:g} s of running time."


class MeteredSession:
    """A session with a meter. What it does not say itself it hands on to the session inside."""

    def __init__(self, inner: SandboxSession, seconds: float) -> None:
        self._inner = inner
        self._seconds = seconds
        self._left_s = seconds

    async def run(self, code: str, timeout_s: float) -> CellResult:
        """Run a cell for no longer than is left."""
        if self._left_s <= 0:
            # A session that may run nothing more is dead, as after any other timeout.
            await self._inner.end()
            return CellResult(
                status=CellStatus.DIED, stdout="", stderr=USED_UP.format(seconds=self._seconds), wall_s=0.0
            )
        allowed_s = min(timeout_s, self._left_s)
        result = await self._inner.run(code, allowed_s)
        ended_by_meter = result.status is CellStatus.TIMEOUT and allowed_s < timeout_s
        self._left_s = 0.0 if ended_by_meter else self._left_s - result.wall_s
        return result

    async def fetch(self, path: str, max_bytes: int) -> FetchedFiles | FetchRefusal:
        return await self._inner.fetch(path, max_bytes)

    async def fetch_tree(self, path: str, max_bytes: int, max_files: int) -> FetchedFiles | FetchRefusal:
        return await self._inner.fetch_tree(path, max_bytes, max_files)

    async def end(self) -> None:
        await self._inner.end()


class MeteredSandbox:
    """Opens metered sessions of another sandbox."""

    name = "metered"

    def __init__(self, inner: Sandbox, seconds: float) -> None:
        self._inner = inner
        self._seconds = seconds

    @property
    def level(self) -> IsolationLevel:
        """The meter keeps nobody in: the level is that of the sandbox inside."""
        return self._inner.level

    async def start(self) -> None:
        await self._inner.start()

    @asynccontextmanager
    async def session(self, *, public_dir: Path | None, limits: SandboxLimits) -> AsyncIterator[SandboxSession]:
        async with self._inner.session(public_dir=public_dir, limits=limits) as session:
            yield MeteredSession(session, self._seconds)

    async def check_health(self) -> None:
        await self._inner.check_health()

    async def close(self) -> None:
        await self._inner.close()
