"""Inside the zygote: an exec'd process that preloads the libraries and forks sessions from them.

It never runs untrusted code itself, and it is exec'd with an empty environment instead of forked
from the host, because a forked child can read whatever its parent ever held.
"""

import os
import select
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from sandmle.core.types.sandbox import SandboxLimits
from sandmle.plugins.sandboxes.isolation import (
    Plan,
    Profile,
    Room,
    guard,
    interpreter_paths,
    libc,
    namespaces,
    seal,
    tree,
)
from sandmle.plugins.sandboxes.process import cell, preload, wire

_TICK_S: Final = 0.1
_MIB: Final = 1024 * 1024
_FDS_OF_A_SESSION: Final = 3


@dataclass(slots=True)
class _Session:
    """A living session as its zygote knows it."""

    number: int
    pid: int
    ended_fd: int
    limits: SandboxLimits
    scratch: str
    why: str = ""


@dataclass(slots=True)
class _Zygote:
    """The state of one zygote."""

    control: socket.socket
    plan: Plan
    scratch: str
    readable: tuple[str, ...]
    own_modules: tuple[str, ...]
    sessions: dict[int, _Session] = field(default_factory=dict)
    next_watch: float = 0.0

    def serve(self) -> None:
        """Answer the host until it closes the control socket."""
        while True:
            poll = select.poll()
            poll.register(self.control, select.POLLIN)
            for session in self.sessions.values():
                poll.register(session.ended_fd, select.POLLIN)
            ready = dict(poll.poll(_TICK_S * 1000 if self.sessions else None))
            if self.control.fileno() in ready and not self._answer():
                return
            for session in [one for one in self.sessions.values() if one.ended_fd in ready]:
                self._bury(session)
            if time.monotonic() >= self.next_watch:
                below = tree.children_of_all() if self.sessions else {}
                for session in list(self.sessions.values()):
                    self._watch(session, below)
                self.next_watch = time.monotonic() + _TICK_S

    def _answer(self) -> bool:
        data, fds, _, _ = socket.recv_fds(self.control, wire.MESSAGE_BYTES, _FDS_OF_A_SESSION)
        if not data:
            return False
        message = wire.unpack(data)
        number = message["id"]
        if message["op"] == "open":
            self._open(number, message, fds)
        elif message["op"] == "kill" and number in self.sessions:
            tree.kill_group(self.sessions[number].pid)
        elif message["op"] == "forget":
            tree.remove(f"{self.scratch}/{number}")
        return True

    def _open(self, number: int, message: Mapping[str, Any], fds: list[int]) -> None:
        try:
            if (threads := preload.thread_count()) != 1:
                raise OSError(f"the zygote has {threads} threads and cannot fork safely")
            self._fork(number, message, fds)
        except OSError as problem:
            self._tell(event="refused", id=number, reason=str(problem))
        finally:
            for fd in fds:
                os.close(fd)

    def _fork(self, number: int, message: Mapping[str, Any], fds: list[int]) -> None:
        limits = SandboxLimits(**message["limits"])
        room = Room(
            profile=Profile.CELL,
            limits=limits,
            public_dir=message["public_dir"],
            scratch=f"{self.scratch}/{number}",
            uid=message["uid"],
            readable=self.readable,
        )
        if not self.plan.namespaces:
            os.mkdir(room.scratch, 0o711)
        pid = namespaces.fork_into_new_pids() if self.plan.namespaces else os.fork()
        if pid == 0:
            _become_session(self.plan, room, fds, self.own_modules)
        ended = os.pidfd_open(pid)
        self.sessions[number] = _Session(number, pid, ended, limits, room.scratch)
        self._tell(event="opened", id=number)

    def _watch(self, session: _Session, below: Mapping[int, list[int]]) -> None:
        """End a session whose processes use too much memory, or whose files too much disk."""
        limit = session.limits.memory_mb * _MIB
        if tree.memory_bytes(tree.descendants(session.pid, below), limit) > limit:
            session.why = f"more than the memory limit of {session.limits.memory_mb} MiB was used"
        elif not self.plan.namespaces:
            room = session.limits.workdir_mb * _MIB
            if tree.tree_files_bytes(session.scratch) > room:
                session.why = f"more than {session.limits.workdir_mb} MiB of files were written"
        if session.why:
            tree.kill_group(session.pid)

    def _bury(self, session: _Session) -> None:
        # First the rest of the group: once the leader is reaped its number may be used again.
        tree.kill_group(session.pid)
        code = os.waitstatus_to_exitcode(os.waitpid(session.pid, 0)[1])
        os.close(session.ended_fd)
        del self.sessions[session.number]
        if not self.plan.namespaces:
            _reap_orphans(set(one.pid for one in self.sessions.values()))
        self._tell(event="ended", id=session.number, code=code, why=session.why)

    def _tell(self, **message: object) -> None:
        try:
            self.control.send(wire.pack(message))
        except (BrokenPipeError, ConnectionResetError):
            os._exit(0)


def _reap_orphans(leaders: set[int]) -> None:
    """Reap what ended sessions left to this subreaper, never a session leader."""
    for pid in tree.descendants(os.getpid())[1:]:
        if pid not in leaders:
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                continue


def _become_session(plan: Plan, room: Room, fds: list[int], own_modules: Sequence[str]) -> NoReturn:
    """In the forked child: enclose, say so, and run cells for ever."""
    try:
        if not plan.namespaces:
            os.setsid()
        channel = _take_descriptors(fds)
        try:
            directory = seal(plan, room)
        except OSError as problem:
            channel.send(f"the session could not be enclosed: {problem}".encode())
            os._exit(1)
        socket.send_fds(channel, [wire.READY], [directory])
        os.close(directory)
        _tidy_interpreter(room, plan, own_modules)
        cell.converse(channel)
    finally:
        os._exit(1)


def _take_descriptors(fds: list[int]) -> socket.socket:
    """Keep nothing open but the standard streams and the session's channel."""
    channel, stdout, stderr = (os.dup2(fd, 100 + at) for at, fd in enumerate(fds))
    os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    os.dup2(channel, wire.CONTROL_FD, inheritable=False)
    os.closerange(wire.CONTROL_FD + 1, 65_536)
    cell.open_streams()
    return socket.socket(fileno=wire.CONTROL_FD)


def _tidy_interpreter(room: Room, plan: Plan, own_modules: Sequence[str]) -> None:
    """Make the interpreter look like a fresh one that was started in the work directory."""
    temporary = "/tmp" if plan.namespaces else f"{room.scratch}/tmp"
    os.environ.update(HOME=temporary, TMPDIR=temporary)
    tempfile.tempdir = None
    sys.path.insert(0, "")
    sys.argv = [""]
    for name in own_modules:
        sys.modules.pop(name, None)


def main(control_fd: int, life_fd: int) -> None:
    """Run a zygote on the descriptors its host left open."""
    control = socket.socket(fileno=control_fd)
    config = wire.unpack(control.recv(wire.MESSAGE_BYTES))
    plan = Plan(**config["plan"])
    readable = interpreter_paths(tuple(config["libraries"]))
    try:
        guard(plan, life_fd=life_fd, scratch=config["scratch"], readable=readable)
    except OSError as problem:
        control.send(wire.pack({"event": "failed", "reason": str(problem)}))
        os._exit(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    libc.prctl(libc.PR_SET_CHILD_SUBREAPER, 1)
    sys.path[:] = [path for path in sys.path if path not in config["hidden"]]
    sys.path += [path for path in config["libraries"] if path not in sys.path]
    if not plan.namespaces:
        # Without a private /dev/shm there are no semaphores; joblib then works one by one.
        os.environ["JOBLIB_MULTIPROCESSING"] = "0"
    preload.preload(config["preload"])
    libc.prctl(libc.PR_SET_DUMPABLE, 0)
    control.send(wire.pack({"event": "ready"}))
    own_modules = tuple(name for name in sys.modules if name.split(".")[0] == "sandmle")
    _Zygote(control, plan, config["scratch"], readable, own_modules).serve()
    os._exit(0)
