"""From a process that the host started to an enclosed one, which then becomes a kernel."""

import json
import os
import signal
import socket
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, NoReturn

from sandmle.core.types.sandbox import SandboxLimits
from sandmle.plugins.sandboxes.isolation import Plan, Profile, Room, guard, interpreter_paths, seal
from sandmle.plugins.sandboxes.isolation.mounts import TEMPORARY
from sandmle.plugins.sandboxes.jupyter.wire import KERNEL_LOG, ORDER_BYTES, PORTS, READY, socket_prefix

KERNEL_TASKS: Final = 12
"""Threads of the kernel itself, which do not count against the session's limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Enclosed:
    """What a kernel is started with, inside."""

    order: Mapping[str, Any]
    limits: SandboxLimits
    """Without the kernel's own tasks."""
    work: int
    """A descriptor of the work directory."""
    near: str
    """The temporary directory as a path that is never too long for a socket's name."""
    temporary: str

    def report(self, control: socket.socket) -> None:
        """Tell the host that all is well, hand it the directories, and let go of it."""
        directories = [self.work, os.open(self.temporary, os.O_RDONLY | os.O_DIRECTORY)]
        socket.send_fds(control, [READY], directories)
        control.close()
        for fd in directories:
            os.close(fd)


def main(control_fd: int, life_fd: int) -> None:
    """In a process of its own: become the kernel of another maker that the order names, or say why not and end."""
    control = socket.socket(fileno=control_fd)
    if (enclosed := enclose(control, life_fd)) is not None:
        _exec_program(enclosed, control)


def enclose(control: socket.socket, life_fd: int) -> Enclosed | None:
    """Wait for the order, and enclose this process as it says; None when the host went away instead.

    The order comes over a socket, because a command line can be read inside.
    """
    if not (message := control.recv(ORDER_BYTES)):
        return None
    order = json.loads(message)
    plan, limits = Plan(**order["plan"]), SandboxLimits(**order["limits"])
    try:
        room = _enter(plan, limits, order, life_fd)
        work = seal(plan, room)
    except OSError as problem:
        control.send(f"it could not be enclosed: {problem}".encode())
        os._exit(1)
    near = temporary = TEMPORARY
    if not plan.namespaces:
        # The working directory is beside it.
        near, temporary = "../tmp", f"{room.scratch}/tmp"
    os.environ.update(HOME=temporary, TMPDIR=temporary, IPYTHONDIR=f"{temporary}/.ipython")
    tempfile.tempdir = None
    return Enclosed(order=order, limits=limits, work=work, near=near, temporary=temporary)


def _enter(plan: Plan, limits: SandboxLimits, order: dict[str, Any], life_fd: int) -> Room:
    """Come under a guardian; the room to seal."""
    readable = interpreter_paths((*order["libraries"], *order["readable"]))
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


def _exec_program(enclosed: Enclosed, control: socket.socket) -> NoReturn:
    """Exec the program of the order on a connection file, its standard error in a file that the host can read."""
    program = enclosed.order["program"]
    path = f"{enclosed.temporary}/kernel.json"
    words = [word.replace("{connection_file}", path) for word in program["argv"]]
    environment = {**os.environ, **program["environment"]}
    if not _can_run(words[0], environment["PATH"]):
        control.send(f"its program {words[0]} cannot be run inside; name where it lies under `readable`".encode())
        os._exit(1)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(_connection(enclosed), file)
    nowhere = os.open(os.devnull, os.O_RDWR)
    log = os.open(f"{enclosed.temporary}/{KERNEL_LOG}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    enclosed.report(control)
    # Until here these led to the guardian's report and to the host's own log.
    for at, fd in enumerate((nowhere, nowhere, log)):
        os.dup2(fd, at)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        os.execvpe(words[0], words, environment)
    except OSError as problem:
        os.write(2, f"{words[0]}: {problem}".encode())
        os._exit(1)


def _can_run(program: str, path: str) -> bool:
    """Whether exec would find and run it: with what this process may do now, which is more than its user may."""
    places = [program] if "/" in program else [f"{folder}/{program}" for folder in path.split(":")]
    return any(os.access(place, os.X_OK, effective_ids=True) for place in places)


def _connection(enclosed: Enclosed) -> dict[str, object]:
    """As jupyter_client writes it, for sockets in the session's own directory."""
    return {
        "transport": "ipc",
        "ip": socket_prefix(enclosed.near),
        **{f"{channel}_port": number for channel, number in PORTS.items()},
        "key": enclosed.order["key"],
        "signature_scheme": "hmac-sha256",
        "kernel_name": enclosed.order["program"]["argv"][0],
    }
