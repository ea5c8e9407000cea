"""The host's side of one session."""

import asyncio
import contextlib
import fcntl
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sandmle.core.contracts.sandbox import DATA_DIR
from sandmle.core.errors import SandboxError
from sandmle.core.types.sandbox import (
    CellOutput,
    CellResult,
    CellStatus,
    FetchedFiles,
    FetchRefusal,
    SandboxLimits,
)
from sandmle.plugins.sandboxes import fetch
from sandmle.plugins.sandboxes.isolation.cgroup import Cgroup
from sandmle.plugins.sandboxes.process import output, wire
from sandmle.plugins.sandboxes.process.channel import Channel
from sandmle.plugins.sandboxes.process.grouping import grouped
from sandmle.plugins.sandboxes.process.host import Ending, ZygoteProcess

# For zygotes that hang; one that waits for a processor is waited for.
_OPEN_TIMEOUT_S: Final = 15.0
_KILL_TIMEOUT_S: Final = 10.0
_ENCLOSE_TIMEOUT_S: Final = 120.0
"""For a session to enclose itself once it is forked, which takes milliseconds of work on a machine at rest."""
_SMALL_BYTES: Final = 1 << 20


class StillbornError(SandboxError):
    """A session's process ended, without a word, before any code could run in it: another may well live."""


@dataclass(frozen=True, slots=True)
class _Files:
    """Descriptors of a session that outlive it."""

    channel: Channel
    stdout: int
    stderr: int


class ProcessSession:
    """A forked, enclosed interpreter; see `SandboxSession` for what its methods promise."""

    def __init__(
        self, zygote: ZygoteProcess, number: int, ended: "asyncio.Future[Ending]",
        files: _Files, directory: int, limits: SandboxLimits, skip: str | None, cgroup: Cgroup | None,
    ) -> None:  # fmt: skip
        self._zygote = zygote
        self._number = number
        self._ended = ended
        self._files = files
        self._directory = directory
        self._limits = limits
        self._skip = skip
        self._cgroup = cgroup
        self._turn = asyncio.Lock()
        self._death: str | None = None

    async def run(self, code: str, timeout_s: float) -> CellResult:
        """Run one cell; a deadline passed ends the whole tree of processes."""
        async with self._turn:
            if self._death is not None:
                return CellResult(status=CellStatus.DIED, stdout="", stderr=f"[{self._death}]", wall_s=0.0)
            for fd in (self._files.stdout, self._files.stderr):
                os.ftruncate(fd, 0)
            began = time.monotonic()
            status, remark = await self._run(code, timeout_s)
            wall_s = time.monotonic() - began
            stdout, stderr = await self._written()
            if remark:
                stderr = f"{stderr}{'' if stderr.endswith(chr(10)) or not stderr else chr(10)}[{remark}]"
            return CellResult(status=status, stdout=stdout, stderr=stderr, wall_s=wall_s)

    async def output_so_far(self) -> CellOutput:
        """What the running or last cell has written: it goes to files that the host holds, too."""
        stdout, stderr = await self._written()
        return CellOutput(stdout=stdout, stderr=stderr)

    async def fetch(self, path: str, max_bytes: int) -> FetchedFiles | FetchRefusal:
        """Copy one file by the descriptor of the work directory."""
        async with self._zygote.copying:
            return await asyncio.to_thread(fetch.fetch_file, self._directory, path, max_bytes)

    async def fetch_tree(self, path: str, max_bytes: int, max_files: int) -> FetchedFiles | FetchRefusal:
        """Copy a tree by the descriptor of the work directory; the public files are left out."""
        async with self._zygote.copying:
            return await asyncio.to_thread(fetch.fetch_all, self._directory, path, max_bytes, max_files, self._skip)

    async def end(self) -> None:
        """Kill every process of the session."""
        if self._death is None:
            self._death = "the session was ended"
        await self._kill()

    async def _run(self, code: str, timeout_s: float) -> tuple[CellStatus, str]:
        """Send a cell and wait for its end; the status and a remark for its reader."""
        try:
            async with asyncio.timeout(timeout_s):
                answer = await self._files.channel.ask(code.encode("utf-8", "replace"))
        except asyncio.CancelledError:
            # Nobody will know what the cell went on to do, so the session ends with the wait for it.
            self._death = "the session was ended while a cell ran"
            self._zygote.kill(self._number)
            raise
        except TimeoutError:
            await self._kill()
            self._death = f"the session is dead: a cell did not end within {timeout_s:g} s"
            return CellStatus.TIMEOUT, self._death
        if answer:
            return (CellStatus.OK if answer == wire.OK else CellStatus.ERROR), ""
        ending = await self._kill()
        self._death = f"the session is dead: {self._described(ending)}"
        return CellStatus.DIED, self._death

    async def _kill(self) -> Ending:
        """End the session if it has not ended, and wait for it.

        Raises:
            SandboxError: the zygote is lost, or did not do it in time and is given up.
        """
        if not self._ended.done():
            if self._cgroup is not None:
                self._cgroup.kill()
            self._zygote.kill(self._number)
            if not await self._zygote.answers(self._ended, _KILL_TIMEOUT_S):
                self._zygote.give_up(f"it did not end a session within {_KILL_TIMEOUT_S:g} s")
        return self._ended.result()

    def _described(self, ending: Ending) -> str:
        if self._cgroup is not None and self._cgroup.was_out_of_memory():
            return f"more than the memory limit of {self._limits.memory_mb} MiB was used"
        return ending.describe()

    async def _written(self) -> tuple[str, str]:
        return await self._text(self._files.stdout), await self._text(self._files.stderr)

    async def _text(self, fd: int) -> str:
        size = os.fstat(fd).st_size
        if size > _SMALL_BYTES:
            return await asyncio.to_thread(output.captured, fd, self._limits.output_chars)
        return output.captured(fd, self._limits.output_chars) if size else ""


@asynccontextmanager
async def open_session(
    zygote: ZygoteProcess, public_dir: Path | None, limits: SandboxLimits, uid: int, *, fresh: bool = False
) -> AsyncIterator[ProcessSession]:
    """Fork a session from `zygote`, `fresh` or ahead; leaving the block ends it and removes its files.

    Raises:
        SandboxError: on entering, when it could not be forked or enclosed, or its zygote hangs.
    """
    with contextlib.ExitStack() as stack:
        files = _make_files(stack)
        async with zygote.starting:
            number, ended, directory = await _open(zygote, public_dir, limits, uid, files, fresh=fresh)
        stack.callback(os.close, directory)
        stack.callback(zygote.forget, number)
        if zygote.cgroups is not None:
            # For the case that the kernel refuses and there is never a session to end.
            stack.callback(zygote.kill, number)
        skip = None if public_dir is None else DATA_DIR
        async with grouped(zygote.cgroups, files.channel.sender, limits) as cgroup:
            session = ProcessSession(zygote, number, ended, files, directory, limits, skip, cgroup)
            try:
                yield session
            finally:
                with contextlib.suppress(SandboxError):
                    # Whose fault a lost zygote is was said by the call that needed it.
                    await session.end()


def _make_files(stack: contextlib.ExitStack) -> _Files:
    channel = Channel()
    stack.callback(channel.close)
    memory: list[int] = []
    for name in ("stdout", "stderr"):
        fd = os.memfd_create(name, os.MFD_CLOEXEC)
        stack.callback(os.close, fd)
        # Appending, so that after truncation the next output starts at the front again.
        fcntl.fcntl(fd, fcntl.F_SETFL, os.O_APPEND)
        memory.append(fd)
    return _Files(channel, *memory)


async def _open(
    zygote: ZygoteProcess, public_dir: Path | None, limits: SandboxLimits, uid: int, files: _Files, *, fresh: bool
) -> tuple[int, "asyncio.Future[Ending]", int]:
    """Ask for a session and wait for its first message, which brings its work directory."""
    channel = files.channel
    fds = [channel.theirs.fileno(), files.stdout, files.stderr]
    number, ended = await zygote.open(public_dir, limits, uid, fds, _OPEN_TIMEOUT_S, fresh=fresh)
    channel.theirs.close()
    channel.give_up_on(ended)
    try:
        async with asyncio.timeout(_ENCLOSE_TIMEOUT_S):
            data, received = await channel.greeting()
        if data == wire.READY and len(received) == 1:
            return number, ended, received[0]
        for fd in received:
            os.close(fd)
    except TimeoutError:
        zygote.kill(number)
        raise SandboxError(f"a session did not enclose itself within {_ENCLOSE_TIMEOUT_S:g} s") from None
    except BaseException:
        zygote.kill(number)
        raise
    zygote.kill(number)
    if not data:
        raise StillbornError("the session ended before it was ready")
    raise SandboxError(data.decode("utf-8", "replace"))
