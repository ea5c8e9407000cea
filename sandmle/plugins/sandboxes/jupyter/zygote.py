"""The zygote of kernels: an exec'd process that has everything imported and forks one kernel for each request.

It runs no untrusted code and has one thread; what it forks makes its own namespaces, encloses itself and only then
becomes a kernel, which has threads and sockets.
"""

import contextlib
import fcntl
import importlib
import json
import os
import select
import signal
import socket
import sys
from typing import Final, NoReturn

from sandmle.plugins.sandboxes.jupyter.app import make_app
from sandmle.plugins.sandboxes.jupyter.launch import Enclosed, enclose
from sandmle.plugins.sandboxes.jupyter.wire import FORK, ORDER_BYTES, READY
from sandmle.plugins.sandboxes.process import preload

_LAZY: Final = (
    "IPython.core.completerlib",
    "IPython.core.debugger",
    "IPython.core.oinspect",
    "IPython.extensions.storemagic",
    "tornado.platform.asyncio",
    "tornado.queues",
)
"""What a kernel imports only when it starts."""
_FDS: Final = 4
_CONTROL_FD, _LIFE_FD = 3, 4
_FIRST_FREE_FD: Final = 100
_SHORTEST_CUT: Final = 65_536
"""Texts up to this many characters are sent whole, and longer ones when the host would keep more."""
_TICK_MS: Final = 500


def main(control_fd: int) -> None:
    """Import, say so, and fork until the host closes the socket."""
    control = socket.socket(fileno=control_fd)
    modules = json.loads(control.recv(ORDER_BYTES))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in _LAZY:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    preload.preload(modules)
    control.send(READY)
    poll = select.poll()
    poll.register(control, select.POLLIN)
    while True:
        if not poll.poll(_TICK_MS):
            _reap()
            continue
        message, fds, _, _ = socket.recv_fds(control, len(FORK), _FDS)
        if not message:
            return
        _fork(control, fds)
        _reap()


def _fork(control: socket.socket, fds: list[int]) -> None:
    """Fork a kernel on `fds`, and send the host its number with a descriptor of it."""
    if (threads := preload.thread_count()) != 1:
        control.send(f"the zygote has {threads} threads and cannot fork safely".encode())
    elif (pid := os.fork()) == 0:
        _become_kernel(fds)
    else:
        ended = os.pidfd_open(pid)
        socket.send_fds(control, [str(pid).encode()], [ended])
        os.close(ended)
    for fd in fds:
        os.close(fd)


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _become_kernel(fds: list[int]) -> NoReturn:
    """In the child: keep nothing of the zygote's but its memory, and run a kernel to its end.

    Args:
        fds: Control socket, the pipe that keeps it alive, the guardian's report, the log.
    """
    try:
        os.setsid()
        control, life, report, log = (fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _FIRST_FREE_FD) for fd in fds)
        for target, fd in enumerate((os.open(os.devnull, os.O_RDONLY), report, log, control, life)):
            os.dup2(fd, target, inheritable=target < _CONTROL_FD)
        os.closerange(_LIFE_FD + 1, 65_536)
        channel = socket.socket(fileno=_CONTROL_FD)
        if (enclosed := enclose(channel, _LIFE_FD)) is not None:
            _run(enclosed, channel)
    finally:
        os._exit(1)


def _run(enclosed: Enclosed, control: socket.socket) -> None:
    """Our own kernel, to its end."""
    limits = enclosed.limits
    app = make_app(enclosed.near, enclosed.order["key"].encode(), max(_SHORTEST_CUT, 4 * limits.output_chars))
    _tidy_interpreter()
    enclosed.report(control)
    app.start()  # type: ignore[no-untyped-call]


def _tidy_interpreter() -> None:
    """Make the interpreter look like a fresh one, and let go of what leads to the host.

    Until here the original standard output and error are the guardian's report and the host's log.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream._original_stdstream_copy)  # type: ignore[union-attr]
    os.close(nowhere)
    sys.argv = [""]
    for name in [name for name in sys.modules if name.split(".")[0] == "sandmle"]:
        del sys.modules[name]
