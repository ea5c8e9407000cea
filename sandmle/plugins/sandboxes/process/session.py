"""The host's side of one session."""

import asyncio
import contextlib
import fcntl
import os
import secrets
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

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
from sandmle.plugins.sandboxes.process import output, wire
from sandmle.plugins.sandboxes.process.host import Ending, ZygoteProcess

# For zygotes that hang; one that waits for a processor is waited for.
_OPEN_TIMEOUT_S: Final = 15.0
_KILL_TIMEOUT_S: Final = 10.0
_ENCLOSE_TIMEOUT_S: Final = 120.0
"""For a session to enclose itself once it is forked, which takes milliseconds of work on a machine at rest."""
_FORGED_AT_MOST: Final = 1000
_SMALL_BYTES: Final = 1 << 20


class StillbornError(SandboxError):
    """A session's process ended, without a word, before any code could run in it: another may well live."""


@dataclass(frozen=True, slots=True)
class _Files:
    """Descriptors of a session that outlive it."""

    channel: socket.socket
    stdout: int
    stderr: int


class ProcessSession:
    """A forked, enclosed interpreter; see `SandboxSession` for what its methods promise."""

    def __init__(
        self, zygote: ZygoteProcess, number: int, ended: "asyncio.Future[Ending]",
        files: _Files, directory: int, limits: SandboxLimits, skip: str | None,
    ) -> None:  # fmt: skip
        self._zygote = zygote
        self._number = number
        self._ended = ended
        self._files = files
        self._directory = directory
        self._limits = limits
        self._skip = skip
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
        exchange = asyncio.create_task(self._exchange(code.encode("utf-8", "replace")))
        try:
            either: set[asyncio.Future[Any]] = {exchange, self._ended}
            await asyncio.wait(either, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            # Nobody will know what the cell went on to do, so the session ends with the wait for it.
            self._death = "the session was ended while a cell ran"
            self._zygote.kill(self._number)
            raise
        finally:
            if not exchange.done():
                exchange.cancel()
        if exchange.done() and not exchange.cancelled() and (answer := exchange.result()):
            return (CellStatus.OK if answer == wire.OK else CellStatus.ERROR), ""
        if exchange.done() or self._ended.done():
            ending = await self._kill()
            self._death = f"the session is dead: {ending.describe()}"
            return CellStatus.DIED, self._death
        await self._kill()
        self._death = f"the session is dead: a cell did not end within {timeout_s:g} s"
        return CellStatus.TIMEOUT, self._death

    async def _exchange(self, code: bytes) -> bytes:
        """Send `code`; the answer, or nothing when the session's end of the channel is closed."""
        loop = asyncio.get_running_loop()
        nonce = secrets.token_bytes(wire.NONCE_BYTES)
        try:
            for frame in wire.code_frames(nonce, code):
                await loop.sock_sendall(self._files.channel, frame)
            for _ in range(_FORGED_AT_MOST):
                answer = await loop.sock_recv(self._files.channel, wire.ANSWER_BYTES + 1)
                if not answer:
                    return b""
                if len(answer) == wire.ANSWER_BYTES and answer.startswith(nonce):
                    return answer[wire.NONCE_BYTES :]
        except OSError:
            return b""
        return b""

    async def _kill(self) -> Ending:
        """End the session if it has not ended, and wait for it.

        Raises:
            SandboxError: the zygote is lost, or did not do it in time and is given up.
        """
        if not self._ended.done():
            self._zygote.kill(self._number)
            if not await self._zygote.answers(self._ended, _KILL_TIMEOUT_S):
                self._zygote.give_up(f"it did not end a session within {_KILL_TIMEOUT_S:g} s")
        return self._ended.result()

    async def _written(self) -> tuple[str, str]:
        both = (self._files.stdout, self._files.stderr)
        cap = self._limits.output_chars
        if sum(os.fstat(fd).st_size for fd in both) > _SMALL_BYTES:
            texts = [await asyncio.to_thread(output.captured, fd, cap) for fd in both]
        else:
            texts = [output.captured(fd, cap) for fd in both]
        return texts[0], texts[1]


@asynccontextmanager
async def open_session(
    zygote: ZygoteProcess, public_dir: Path | None, limits: SandboxLimits, uid: int
) -> AsyncIterator[ProcessSession]:
    """Fork a session from `zygote`; leaving the block ends it and removes its files.

    Raises:
        SandboxError: on entering, when it could not be forked or enclosed, or its zygote hangs.
    """
    with contextlib.ExitStack() as stack:
        files, theirs = _make_channels(stack, limits)
        async with zygote.starting:
            number, ended, directory = await _open(zygote, public_dir, limits, uid, files, theirs)
        stack.callback(os.close, directory)
        skip = None if public_dir is None else DATA_DIR
        session = ProcessSession(zygote, number, ended, files, directory, limits, skip)
        try:
            yield session
        finally:
            with contextlib.suppress(SandboxError):
                # Whose fault a lost zygote is was said by the call that needed it.
                await session.end()
            zygote.forget(number)


def _make_channels(stack: contextlib.ExitStack, limits: SandboxLimits) -> tuple[_Files, socket.socket]:
    mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    stack.enter_context(mine)
    stack.enter_context(theirs)
    mine.setblocking(False)
    memory: list[int] = []
    for name in ("stdout", "stderr"):
        fd = os.memfd_create(name, os.MFD_CLOEXEC)
        stack.callback(os.close, fd)
        # Appending, so that after truncation the next output starts at the front again.
        fcntl.fcntl(fd, fcntl.F_SETFL, os.O_APPEND)
        memory.append(fd)
    return _Files(mine, *memory), theirs


async def _open(
    zygote: ZygoteProcess, public_dir: Path | None, limits: SandboxLimits, uid: int,
    files: _Files, theirs: socket.socket,
) -> tuple[int, "asyncio.Future[Ending]", int]:  # fmt: skip
    """Ask for a session and wait for its first message, which brings its work directory."""
    fds = [theirs.fileno(), files.stdout, files.stderr]
    number, ended = await zygote.open(public_dir, limits, uid, fds, _OPEN_TIMEOUT_S)
    theirs.close()
    try:
        async with asyncio.timeout(_ENCLOSE_TIMEOUT_S):
            await _readable(files.channel)
        data, received, _, _ = socket.recv_fds(files.channel, wire.MESSAGE_BYTES, 1)
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


async def _readable(channel: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(channel, wake)
    try:
        await ready
    finally:
        loop.remove_reader(channel)
