"""One enclosed kernel as the host holds it: its process, its client, and descriptors of its directories."""

import asyncio
import contextlib
import json
import logging
import os
import secrets
import select
import signal
import socket
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from sandmle.core.errors import SandboxError
from sandmle.core.types.sandbox import SandboxLimits
from sandmle.plugins.sandboxes.fetch import fetch_file
from sandmle.plugins.sandboxes.isolation.guard import DISK_EXIT, MEMORY_EXIT
from sandmle.plugins.sandboxes.isolation.room import Plan
from sandmle.plugins.sandboxes.jupyter.body import Body, readable
from sandmle.plugins.sandboxes.jupyter.ends import Ends
from sandmle.plugins.sandboxes.jupyter.protocol import GuardedClient, greet, open_client
from sandmle.plugins.sandboxes.jupyter.specs import Program
from sandmle.plugins.sandboxes.jupyter.wire import KERNEL_LOG, ORDER_BYTES, READY
from sandmle.plugins.sandboxes.jupyter.zmtp import PeerError
from sandmle.plugins.sandboxes.process.output import clean
from sandmle.plugins.sandboxes.process.patience import child_of

_LOG: Final = logging.getLogger(__name__)
MESSAGE_BYTES: Final = 4 * 1024 * 1024
"""The longest message taken from a kernel. Ours sends no text longer than a fraction of this."""
_END_TIMEOUT_S: Final = 15.0
_KILLED: Final = 128 + signal.SIGKILL
_TAIL_BYTES: Final = 2000
_LOG_BYTES: Final = 1 << 20
_RETRY_S: Final = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a kernel is started with."""

    plan: Plan
    limits: SandboxLimits
    public_dir: Path | None
    """Absolute and without links."""
    uid: int
    program: Program | None = None
    """What to exec; None for our own kernel."""

    def encode(self, key: str) -> bytes:
        """The order as the child reads it, with the key that signs messages."""
        return json.dumps({
            "plan": asdict(self.plan),
            "limits": asdict(self.limits),
            "public_dir": None if self.public_dir is None else str(self.public_dir),
            "uid": self.uid,
            "scratch_in": tempfile.gettempdir(),
            "libraries": [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))],
            "readable": self.program.readable if self.program else (),
            "program": self.program.as_data() if self.program else None,
            "key": key,
        }).encode()  # fmt: skip


class Kernel:
    """A process to become a kernel, a running kernel or an ended one: `close` it whatever happened."""

    def __init__(self, body: Body, ends: Ends) -> None:
        """Take over a process that waits for its order, and the host's side of its descriptors."""
        self._body = body
        self._ends = ends
        self._has_order = False
        self._directories: list[int] = []
        self._client: GuardedClient | None = None
        self._ending: str | None = None
        self._has_lost_guardian = False
        self._is_closed = False
        self._changing = asyncio.Lock()

    async def start(self, order: Order, timeout_s: float) -> None:
        """Have the process become a kernel, and connect to it. On failure it is closed.

        Raises:
            SandboxError: it did not come up; the message holds what it said.
        """
        async with contextlib.AsyncExitStack() as undo:
            undo.push_async_callback(lambda: asyncio.shield(self.close()))
            try:
                async with asyncio.timeout(timeout_s):
                    await self._connect(order)
            except TimeoutError as problem:
                reason = f"it was not ready within {timeout_s:g} s; raise start_timeout_s or run fewer at once"
                raise SandboxError(f"a Jupyter kernel did not start: {reason}") from problem
            except (OSError, PeerError) as problem:
                raise SandboxError(f"a Jupyter kernel did not start: {problem} {self._last_words()}") from problem
            undo.pop_all()

    @property
    def is_alive(self) -> bool:
        """Whether it can still run cells: neither its guardian has ended nor the kernel below it."""
        return self._body.is_alive and not select.select([self._ends.report], [], [], 0)[0]

    @property
    def is_orphan(self) -> bool:
        """Whether it ended, or is about to, because a process above it did: the one that forked it, or its guardian.

        Neither can be reached from inside.
        """
        return self._body.is_orphan or self._has_lost_guardian

    @property
    def client(self) -> GuardedClient:
        """Talks to the kernel. After the kernel's end every receiving method raises `PeerError`."""
        assert self._client is not None
        return self._client

    @property
    def work(self) -> int:
        """A descriptor of the work directory, valid until `close`."""
        return self._directories[0]

    @property
    def pid(self) -> int:
        """The guardian's process id."""
        return self._body.pid

    def kill_soon(self) -> None:
        """Have everything killed that the kernel runs, without waiting for it."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self._ends.life, b"k")

    def interrupt(self) -> None:
        """Send the kernel what Ctrl-C sends; without effect on one that is idle or dead."""
        if (pid := child_of(self.pid)) is not None and self._ending is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT)

    async def kill(self) -> str:
        """End everything the kernel runs, keeping its files. May be called again.

        Returns:
            How the kernel had ended before, empty if it was this call that ended it.

        Raises:
            SandboxError: its guardian does not answer.
        """
        async with self._changing:
            if self._ending is None and not self._is_closed:
                self.kill_soon()
                try:
                    async with asyncio.timeout(_END_TIMEOUT_S):
                        await readable(self._ends.report)
                except TimeoutError as problem:
                    raise SandboxError(f"a Jupyter kernel did not end within {_END_TIMEOUT_S:g} s") from problem
                report = os.read(self._ends.report, 16)
                self._has_lost_guardian = not report
                self._ending = _describe(report)
                self.client.stop_channels()
            return self._ending or ""

    async def close(self) -> None:
        """End everything and forget the files. May be called again."""
        async with self._changing:
            if self._is_closed:
                return
            self._is_closed = True
            if self._client is not None:
                self._client.stop_channels()
            for fd in self._directories:
                os.close(fd)
            # The guardian takes the end of the pipe as the host's.
            self._ends.close_ours()
            await self._end_guardian()

    async def _connect(self, order: Order) -> None:
        key = secrets.token_hex(32)
        self._has_order = True
        control = self._ends.control
        control.send(order.encode(key))
        await readable(control.fileno())
        message, self._directories, _, _ = socket.recv_fds(control, ORDER_BYTES, 2)
        if message != READY or len(self._directories) != 2:
            raise PeerError(message.decode("utf-8", "replace"))
        # By descriptor, since the path exists in the kernel's own mount namespace only.
        directory = f"/proc/self/fd/{self._directories[1]}"
        if order.program is None:
            self._client = await open_client(directory, key.encode(), MESSAGE_BYTES)
        else:
            self._client = await self._wait_for_client(directory, key.encode())
            await greet(self._client)

    async def _wait_for_client(self, directory: str, key: bytes) -> GuardedClient:
        """Connect to a kernel that says nowhere when its sockets are there.

        Raises:
            PeerError: it ended before.
        """
        while self.is_alive:
            with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
                return await open_client(directory, key, MESSAGE_BYTES)
            await asyncio.sleep(_RETRY_S)
        raise PeerError("its program ended at once:")

    async def _end_guardian(self) -> None:
        """Wait for the guardian, who cleans up."""
        if not self._has_order:
            # It is no guardian yet, so there is nothing to clean up.
            self._body.kill()
        ended = os.pidfd_open(self._body.pid) if self._body.is_alive else None
        if ended is not None:
            try:
                async with asyncio.timeout(_END_TIMEOUT_S):
                    await readable(ended)
            except TimeoutError:
                _LOG.warning("the guardian of a Jupyter kernel did not end within %g s and was killed", _END_TIMEOUT_S)
                self._body.kill()
            finally:
                os.close(ended)
        self._body.close()

    def _last_words(self) -> str:
        """What the process said before it was enclosed, and what a kernel of another maker wrote to standard error."""
        said = [_tail(self._ends.log)]
        if len(self._directories) == 2:
            got = fetch_file(self._directories[1], KERNEL_LOG, _LOG_BYTES)
            said += [
                clean(data.decode("utf-8", "replace"))[-_TAIL_BYTES:] for data in getattr(got, "files", {}).values()
            ]
        return " ".join(text.strip() for text in said if text)


def _describe(report: bytes) -> str:
    """A guardian's report in words; empty when the kernel ended because it was killed."""
    if not report:
        return "its guardian process was killed"
    code = int(report)
    known = {_KILLED: "", MEMORY_EXIT: "it used too much memory", DISK_EXIT: "it wrote too many files"}
    if code in known:
        return known[code]
    if code == 128 + signal.SIGSYS:
        return "the process sent itself a deadly signal"
    if code > 128:
        return f"the process was ended by signal {code - 128}"
    return f"the process exited with status {code}"


def _tail(log: int) -> str:
    start = max(0, os.fstat(log).st_size - _TAIL_BYTES)
    return os.pread(log, _TAIL_BYTES, start).decode("utf-8", "replace").strip()
