"""The child process of one session: exec'd with a clean environment, it encloses itself and becomes a kernel."""

import contextlib
import importlib
import json
import os
import select
import signal
import socket
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from sandmle.core.types.sandbox import SandboxLimits
from sandmle.plugins.sandboxes.isolation import Plan, Profile, Room, guard, interpreter_paths, seal
from sandmle.plugins.sandboxes.isolation.mounts import TEMPORARY
from sandmle.plugins.sandboxes.jupyter.app import make_app
from sandmle.plugins.sandboxes.jupyter.wire import ORDER_BYTES, READY

KERNEL_TASKS: Final = 12
"""Threads of the kernel itself, which do not count against the session's limit."""
_SHORTEST_CUT: Final = 65_536
"""Texts up to this many characters are sent whole, and longer ones when the host would keep more."""


def main(control_fd: int, life_fd: int) -> None:
    """Become a kernel, or say why not and end.

    The order comes over a socket, because a command line can be read inside.
    """
    control = socket.socket(fileno=control_fd)
    _preload(json.loads(control.recv(ORDER_BYTES)), control)
    if not (message := control.recv(ORDER_BYTES)):
        return
    order = json.loads(message)
    plan, limits = Plan(**order["plan"]), SandboxLimits(**order["limits"])
    try:
        room = _enter(plan, limits, order, life_fd)
        work = seal(plan, room)
    except OSError as problem:
        control.send(f"it could not be enclosed: {problem}".encode())
        os._exit(1)
    # The working directory is beside it. A relative path is never too long for a socket's name.
    near = temporary = TEMPORARY
    if not plan.namespaces:
        near, temporary = "../tmp", f"{room.scratch}/tmp"
    os.environ.update(HOME=temporary, TMPDIR=temporary, IPYTHONDIR=f"{temporary}/.ipython")
    tempfile.tempdir = None
    app = make_app(near, order["key"].encode(), max(_SHORTEST_CUT, 4 * limits.output_chars))
    _tidy_interpreter()
    directories = [work, os.open(temporary, os.O_RDONLY | os.O_DIRECTORY)]
    socket.send_fds(control, [READY], directories)
    control.close()
    for fd in directories:
        os.close(fd)
    app.start()  # type: ignore[no-untyped-call]


def _preload(modules: Sequence[str], control: socket.socket) -> None:
    """Import `modules` for as long as nobody waits for this process; those not installed are left out."""
    for name in modules:
        if select.select([control], [], [], 0)[0]:
            return
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def _enter(plan: Plan, limits: SandboxLimits, order: dict[str, Any], life_fd: int) -> Room:
    """Come under a guardian; the room to seal."""
    readable = interpreter_paths(tuple(order["libraries"]))
    scratch = ""
    if not plan.namespaces:
        scratch = tempfile.mkdtemp(prefix="sandmle-", dir=order["scratch_in"])
        os.chmod(scratch, 0o711)
    guard(
        plan,
        life_fd=life_fd,
        scratch=scratch,
        readable=readable,
        memory_mb=limits.memory_mb,
        scratch_mb=None if plan.namespaces else limits.workdir_mb,
        linger=True,
    )
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if not plan.namespaces:
        # The group is what the guardian kills.
        os.setsid()
    return Room(
        profile=Profile.KERNEL,
        limits=replace(limits, processes=limits.processes + KERNEL_TASKS),
        public_dir=order["public_dir"],
        scratch=scratch,
        uid=order["uid"],
        readable=readable,
    )


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
