"""One enclosed kernel as the host holds it: its process, its client, and descriptors of its directories."""

import asyncio
import contextlib
import json
import logging
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from sandmle.core.errors import SandboxError
from sandmle.core.types.sandbox import SandboxLimits
from sandmle.plugins.sandboxes.isolation.guard import DISK_EXIT, MEMORY_EXIT
from sandmle.plugins.sandboxes.isolation.room import Plan
from sandmle.plugins.sandboxes.jupyter.protocol import GuardedClient, open_client
from sandmle.plugins.sandboxes.jupyter.wire import ORDER_BYTES, READY
from sandmle.plugins.sandboxes.jupyter.zmtp import PeerError

_LOG: Final = logging.getLogger(__name__)
_BOOT: Final = """
import os, sys, types
# A bare package in place of the facade, so that the child imports its own few modules and nothing heavy.
# The working directory tells where it is, because arguments can be read inside sessions.
sandmle = sys.modules["sandmle"] = types.ModuleType("sandmle")
sandmle.__path__ = [os.path.join(os.getcwd(), "sandmle")]
from sandmle.plugins.sandboxes.jupyter.launch import main
main(*map(int, sys.argv[1:]))
"""
MESSAGE_BYTES: Final = 4 * 1024 * 1024
"""The longest message taken from a kernel. Ours sends no text longer than a fraction of this."""
_END_TIMEOUT_S: Final = 15.0
_KILLED: Final = 128 + signal.SIGKILL
_TAIL_BYTES: Final = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a kernel is started with."""

    plan: Plan
    limits: SandboxLimits
    public_dir: Path | None
    """Absolute and without links."""
    uid: int

    def encode(self, key: str) -> bytes:
        """The order as the child reads it, with the key that signs messages."""
        return json.dumps({
            "plan": asdict(self.plan),
            "limits": asdict(self.limits),
            "public_dir": None if self.public_dir is None else str(self.public_dir),
            "uid": self.uid,
            "scratch_in": tempfile.gettempdir(),
            "libraries": [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))],
            "key": key,
        }).encode()  # fmt: skip


class Kernel:
    """A process to become a kernel, a running kernel or an ended one: `close` it whatever happened."""

    def __init__(
        self, process: "subprocess.Popen[bytes]", control: socket.socket, life: int, report: int, log: int
    ) -> None:
        self._process = process
        self._control = control
        self._log = log
        self._has_order = False
        self._life = life
        self._report = report
        self._directories: list[int] = []
        self._client: GuardedClient | None = None
        self._ending: str | None = None
        self._is_closed = False
        self._changing = asyncio.Lock()

    @classmethod
    def spawn(cls, preload: Sequence[str]) -> "Kernel":
        """Start a process that imports what a kernel needs, then `preload`, until it gets its order.

        Raises:
            SandboxError: no process can be had.
        """
        log = os.memfd_create("jupyter", os.MFD_CLOEXEC)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        life_read, life_write = os.pipe()
        report_read, report_write = os.pipe()
        try:
            process = subprocess.Popen(
                [sys.executable, "-s", "-P", "-c", _BOOT, str(theirs.fileno()), str(life_read)],
                env=_environment(),
                cwd=Path(__file__).resolve().parents[4],
                stdin=subprocess.DEVNULL,
                stdout=report_write,
                stderr=log,
                pass_fds=(theirs.fileno(), life_read),
                # Ctrl-C at the terminal is for the host, who then ends its kernels in order.
                start_new_session=True,
            )
        except OSError as problem:
            ours.close()
            for fd in (log, life_write, report_read):
                os.close(fd)
            raise SandboxError(f"a Jupyter kernel did not start: {problem}") from problem
        finally:
            theirs.close()
            os.close(life_read)
            os.close(report_write)
        ours.send(json.dumps(preload).encode())
        return cls(process, ours, life_write, report_read, log)

    async def start(self, order: Order, timeout_s: float) -> None:
        """Have the process become a kernel, and connect to it. On failure it is closed.

        Raises:
            SandboxError: it did not come up; the message holds what it said.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._connect(order)
        except BaseException as problem:
            said = _tail(self._log)
            await asyncio.shield(self.close())
            if isinstance(problem, TimeoutError):
                reason = f"it was not ready within {timeout_s:g} s; raise start_timeout_s or run fewer at once"
                raise SandboxError(f"a Jupyter kernel did not start: {reason}") from problem
            if isinstance(problem, OSError | PeerError):
                raise SandboxError(f"a Jupyter kernel did not start: {problem} {said}") from problem
            raise

    @property
    def is_alive(self) -> bool:
        """Whether its process has not ended."""
        return self._process.poll() is None

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
        return self._process.pid

    def kill_soon(self) -> None:
        """Have everything killed that the kernel runs, without waiting for it."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self._life, b"k")

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
                        await _readable(self._report)
                except TimeoutError as problem:
                    raise SandboxError(f"a Jupyter kernel did not end within {_END_TIMEOUT_S:g} s") from problem
                self._ending = _describe(os.read(self._report, 16))
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
            self._control.close()
            for fd in (self._life, self._log, *self._directories):
                os.close(fd)
            await self._end_guardian()
            os.close(self._report)

    async def _connect(self, order: Order) -> None:
        key = secrets.token_hex(32)
        self._has_order = True
        self._control.send(order.encode(key))
        await _readable(self._control.fileno())
        message, self._directories, _, _ = socket.recv_fds(self._control, ORDER_BYTES, 2)
        if message != READY or len(self._directories) != 2:
            raise PeerError(message.decode("utf-8", "replace"))
        # By descriptor, since the path exists in the kernel's own mount namespace only.
        self._client = await open_client(f"/proc/self/fd/{self._directories[1]}", key.encode(), MESSAGE_BYTES)

    async def _end_guardian(self) -> None:
        """Wait for the guardian, who took the end of the pipe as the host's and cleans up."""
        if not self._has_order:
            # It is no guardian yet, so there is nothing to clean up.
            self._process.kill()
        if not self.is_alive:
            return
        ended = os.pidfd_open(self._process.pid)
        try:
            async with asyncio.timeout(_END_TIMEOUT_S):
                await _readable(ended)
        except TimeoutError:
            _LOG.warning("the guardian of a Jupyter kernel did not end within %g s and was killed", _END_TIMEOUT_S)
        finally:
            os.close(ended)
            self._process.kill()
            self._process.wait()


def _environment() -> dict[str, str]:
    """The whole environment of a kernel, one thread for every numerical library: nothing of the host's own."""
    threads = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "BLIS", "RAYON")
    return {
        "PATH": f"{os.path.dirname(sys.executable)}:/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "PYTHONUTF8": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "LOKY_MAX_CPU_COUNT": "1",
        **{f"{name}_NUM_THREADS": "1" for name in threads},
    }


async def _readable(fd: int) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(fd, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(fd)


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
