"""Inside the zygote: an exec'd process that preloads the libraries and forks sessions from them.

It never runs untrusted code itself, and it is exec'd with an empty environment instead of forked
from the host, because a forked child can read whatever its parent ever held.
"""

import os
import select
import signal
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sandmle.core.types.sandbox import SandboxLimits
from sandmle.plugins.sandboxes.isolation import Plan, guard, interpreter_paths, libc, namespaces, tree
from sandmle.plugins.sandboxes.process import preload, wire
from sandmle.plugins.sandboxes.process.child import FDS_OF_A_SESSION, Birthplace, await_order, become_session

_TICK_S: Final = 0.1
_REST: Final = 10
"""The zygote looks at its sessions no longer than one part in so many of its time: of many, less often at each."""
_MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Process:
    """A forked process and a descriptor that becomes readable when it ends."""

    pid: int
    ended_fd: int


@dataclass(frozen=True, slots=True)
class _Spare:
    """A process forked ahead, which becomes a session when it is told which."""

    process: _Process
    order: socket.socket

    def give(self, message: Mapping[str, Any], fds: list[int]) -> bool:
        """Have it become the session that `message` describes; False when it is dead."""
        poll = select.poll()
        poll.register(self.process.ended_fd, select.POLLIN)
        if poll.poll(0):
            return False
        try:
            socket.send_fds(self.order, [wire.pack(dict(message))], fds)
        except OSError:
            return False
        return True


@dataclass(slots=True)
class _Session:
    """A living session as its zygote knows it."""

    number: int
    process: _Process
    limits: SandboxLimits
    scratch: str
    why: str = ""


@dataclass(slots=True)
class _Zygote:
    """The state of one zygote."""

    control: socket.socket
    place: Birthplace
    spares_wanted: int
    sessions: dict[int, _Session] = field(default_factory=dict)
    spares: list[_Spare] = field(default_factory=list)
    next_watch: float = 0.0
    poll: select.poll = field(default_factory=select.poll)

    def serve(self) -> None:
        """Answer the host until it closes the control socket; between its requests, fork ahead."""
        self.poll.register(self.control, select.POLLIN)
        while True:
            lacks_spares = len(self.spares) < self.spares_wanted
            patience_ms = 0 if lacks_spares else _TICK_S * 1000 if self.sessions else None
            ready = dict(self.poll.poll(patience_ms))
            if self.control.fileno() in ready and not self._answer():
                return
            for session in [one for one in self.sessions.values() if one.process.ended_fd in ready] if ready else ():
                self._bury(session)
            if lacks_spares and not ready:
                self._fork_ahead()
            if self.sessions and time.monotonic() >= self.next_watch:
                self._watch_all()

    def _answer(self) -> bool:
        data, fds, _, _ = socket.recv_fds(self.control, wire.MESSAGE_BYTES, FDS_OF_A_SESSION)
        if not data:
            return False
        message = wire.unpack(data)
        number = message["id"]
        if message["op"] == "open":
            self._open(number, message, fds)
        elif message["op"] == "kill" and number in self.sessions:
            tree.kill_group(self.sessions[number].process.pid)
        elif message["op"] == "forget":
            tree.remove(f"{self.place.scratch}/{number}")
        return True

    def _open(self, number: int, message: Mapping[str, Any], fds: list[int]) -> None:
        try:
            process = self._take_spare(message, fds)
            if process is None:
                if (pid := self._fork()) == 0:
                    become_session(self.place, message, fds)
                process = _Process(pid, os.pidfd_open(pid))
        except OSError as problem:
            self._tell(event="refused", id=number, reason=str(problem))
        else:
            limits = SandboxLimits(**message["limits"])
            self.sessions[number] = _Session(number, process, limits, f"{self.place.scratch}/{number}")
            self.poll.register(process.ended_fd, select.POLLIN)
            self._tell(event="opened", id=number)
        finally:
            for fd in fds:
                os.close(fd)

    def _fork(self) -> int:
        if (threads := preload.thread_count()) != 1:
            raise OSError(f"the zygote has {threads} threads and cannot fork safely")
        return namespaces.fork_into_new_pids() if self.place.plan.namespaces else os.fork()

    def _fork_ahead(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            try:
                pid = self._fork()
            except OSError:
                # The next session will meet the same refusal, and then there is somebody to be told.
                ours.close()
                self.spares_wanted = 0
                return
            if pid == 0:
                await_order(self.place, theirs)
        self.spares.append(_Spare(_Process(pid, os.pidfd_open(pid)), ours))

    def _take_spare(self, message: Mapping[str, Any], fds: list[int]) -> _Process | None:
        """A spare that becomes the session; None when there is none alive."""
        while self.spares:
            spare = self.spares.pop(0)
            is_given = spare.give(message, fds)
            spare.order.close()
            if is_given:
                return spare.process
            tree.kill_group(spare.process.pid)
            os.waitpid(spare.process.pid, 0)
            os.close(spare.process.ended_fd)
        return None

    def _watch_all(self) -> None:
        began = time.monotonic()
        below = tree.children_of_all()
        for session in self.sessions.values():
            self._watch(session, below)
        now = time.monotonic()
        self.next_watch = now + max(_TICK_S, _REST * (now - began))

    def _watch(self, session: _Session, below: Mapping[int, list[int]]) -> None:
        """End a session whose processes use too much memory, or whose files too much disk."""
        limit = session.limits.memory_mb * _MIB
        pid = session.process.pid
        if tree.memory_bytes(tree.descendants(pid, below), limit) > limit:
            session.why = f"more than the memory limit of {session.limits.memory_mb} MiB was used"
        elif not self.place.plan.namespaces:
            room = session.limits.workdir_mb * _MIB
            if tree.tree_files_bytes(session.scratch) > room:
                session.why = f"more than {session.limits.workdir_mb} MiB of files were written"
        if session.why:
            tree.kill_group(pid)

    def _bury(self, session: _Session) -> None:
        # First the rest of the group: once the leader is reaped its number may be used again.
        pid = session.process.pid
        tree.kill_group(pid)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        self.poll.unregister(session.process.ended_fd)
        os.close(session.process.ended_fd)
        del self.sessions[session.number]
        if not self.place.plan.namespaces:
            leaders = {one.process.pid for one in self.sessions.values()}
            _reap_orphans(leaders | {one.process.pid for one in self.spares})
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
    place = Birthplace(plan=plan, scratch=config["scratch"], readable=readable, own_modules=own_modules)
    _Zygote(control, place, config.get("spares", 1)).serve()
    os._exit(0)
