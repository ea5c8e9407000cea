"""Where processes come from that become kernels: forked by a zygote, or exec'd for a program the user names."""

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
from collections.abc import Sequence
from typing import Final

from sandmle.core.errors import SandboxError
from sandmle.plugins.sandboxes.jupyter.body import Execed, Forked, readable
from sandmle.plugins.sandboxes.jupyter.ends import Ends
from sandmle.plugins.sandboxes.jupyter.kernel import Kernel
from sandmle.plugins.sandboxes.jupyter.wire import FORK, ORDER_BYTES, READY
from sandmle.plugins.sandboxes.process.launch import BARE_PACKAGE, clean_environment, source_root

_LAUNCH: Final = f"""{BARE_PACKAGE}
from sandmle.plugins.sandboxes.jupyter.launch import main
main(*map(int, sys.argv[1:]))
"""
_ZYGOTE: Final = f"""{BARE_PACKAGE}
from sandmle.plugins.sandboxes.jupyter.zygote import main
main(*map(int, sys.argv[1:]))
"""
_OF_ZYGOTES_ONLY: Final = ("PYTHONMALLOC", "GLIBC_TUNABLES")


def launch_cold() -> Kernel:
    """A fresh process that becomes the kernel of another maker.

    Raises:
        SandboxError: no process can be had.
    """
    ends = Ends.make()
    environment = {name: value for name, value in clean_environment().items() if name not in _OF_ZYGOTES_ONLY}
    with contextlib.ExitStack() as undo:
        undo.callback(ends.close_ours)
        try:
            process = _exec(
                _LAUNCH, (ends.their_control.fileno(), ends.their_life), environment, ends.their_report, ends.log
            )
        finally:
            ends.close_theirs()
        undo.pop_all()
    return Kernel(Execed(process), ends)


class Nursery:
    """The zygote of kernels, started when it is first needed and again when it was lost."""

    def __init__(self, preload: Sequence[str]) -> None:
        self._preload = preload
        self._zygote: Execed | None = None
        self._control: socket.socket | None = None
        self._turn = asyncio.Lock()

    async def fork(self, timeout_s: float) -> Kernel:
        """A process, forked with everything imported, that waits to become a kernel.

        Raises:
            SandboxError: there is none to be had within `timeout_s`.
        """
        forking = asyncio.create_task(self._fork(timeout_s))
        try:
            return await asyncio.shield(forking)
        except asyncio.CancelledError:
            # The zygote forks all the same; what comes of it belongs to nobody.
            with contextlib.suppress(SandboxError):
                await (await forking).close()
            raise

    async def close(self) -> None:
        """End the zygote."""
        async with self._turn:
            self._end()

    async def _fork(self, timeout_s: float) -> Kernel:
        async with self._turn:
            try:
                async with asyncio.timeout(timeout_s):
                    control = await self._ready()
                    return await self._ask(control)
            except TimeoutError:
                self._end()
                raise SandboxError(
                    f"the zygote of the Jupyter kernels did not answer within {timeout_s:g} s; "
                    "preload less or raise start_timeout_s"
                ) from None
            except OSError as problem:
                self._end()
                raise SandboxError(f"the zygote of the Jupyter kernels was lost: {problem}") from problem

    async def _ready(self) -> socket.socket:
        if self._zygote is not None and self._control is not None and self._zygote.is_alive:
            return self._control
        self._end()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            process = _exec(_ZYGOTE, (theirs.fileno(),), clean_environment(), subprocess.DEVNULL, subprocess.DEVNULL)
        self._zygote, self._control = Execed(process), ours
        ours.send(json.dumps(tuple(self._preload)).encode())
        await readable(ours.fileno())
        if ours.recv(len(READY)) != READY:
            raise ConnectionError("it ended before it was ready")
        return ours

    async def _ask(self, control: socket.socket) -> Kernel:
        assert self._zygote is not None
        ends = Ends.make()
        with contextlib.ExitStack() as undo:
            undo.callback(ends.close_ours)
            try:
                fds = [ends.their_control.fileno(), ends.their_life, ends.their_report, ends.log]
                socket.send_fds(control, [FORK], fds)
                await readable(control.fileno())
                said, received, _, _ = socket.recv_fds(control, ORDER_BYTES, 1)
            finally:
                ends.close_theirs()
            if not received:
                raise ConnectionError(said.decode("utf-8", "replace") or "it ended")
            undo.pop_all()
        return Kernel(Forked(int(said), received[0], self._zygote), ends)

    def _end(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._zygote is not None:
            self._zygote.kill()
            self._zygote.close()
            self._zygote = None


def _exec(
    code: str, fds: tuple[int, ...], environment: dict[str, str], stdout: int, stderr: int
) -> "subprocess.Popen[bytes]":
    try:
        return subprocess.Popen(
            [sys.executable, "-s", "-P", "-c", code, *map(str, fds)],
            env=environment,
            cwd=source_root(),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            pass_fds=fds,
            # Ctrl-C at the terminal is for the host, who then ends its kernels in order.
            start_new_session=True,
        )
    except OSError as problem:
        raise SandboxError(f"a Jupyter kernel did not start: {problem}") from problem
