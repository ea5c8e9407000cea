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
from dataclasses import InitVar, dataclass, field
from typing import Any, Final

from sandmle.core.types.sandbox import SandboxLimits
from sandmle.plugins.sandboxes.isolation import (
    Plan,
    Profile,
    gpus,
    guard,
    interpreter_paths,
    libc,
    namespaces,
    prepare,
    tree,
)
from sandmle.plugins.sandboxes.process import preload, wire
from sandmle.plugins.sandboxes.process.child import FDS_OF_A_SESSION, Birthplace, become_session
from sandmle.plugins.sandboxes.process.cold import exec_session
from sandmle.plugins.sandboxes.process.hot_pages import HotPages, scout
from sandmle.plugins.sandboxes.process.spares import Process, Spares

_TICK_S: Final = 0.1
_LULL_MS: Final = 5
"""With nothing asked of it for so long it forks ahead. In a burst that would only be in the way."""
_REST: Final = 10
"""The zygote looks at its sessions no longer than one part in so many of its time: of many, less often at each."""
_MIB: Final = 1024 * 1024


@dataclass(slots=True)
class _Session:
    """A living session as its zygote knows it."""

    number: int
    process: Process
    limits: SandboxLimits
    scratch: str
    why: str = ""


@dataclass(slots=True)
class _Zygote:
    """The state of one zygote."""

    control: socket.socket
    place: Birthplace
    spares_of_each: InitVar[int]
    spares: Spares = field(init=False)
    sessions: dict[int, _Session] = field(default_factory=dict)
    left: dict[int, str] = field(default_factory=dict)
    """Directories of ended sessions, kept until the host has forgotten them."""
    has_orphans: bool = False
    """An ended session left processes to this one, some of which had not ended yet when they were last reaped."""
    next_watch: float = 0.0
    poll: select.poll = field(default_factory=select.poll)

    def __post_init__(self, spares_of_each: int) -> None:
        self.spares = Spares(self.place, self._fork, self.poll, spares_of_each)

    def serve(self) -> None:
        """Answer the host until it closes the control socket; between its requests, fork ahead."""
        self.poll.register(self.control, select.POLLIN)
        while True:
            lacks_spares = self.spares.is_short()
            is_busy = self.sessions or self.has_orphans or self.spares.is_pausing
            patience_ms = _LULL_MS if lacks_spares else _TICK_S * 1000 if is_busy else None
            ready = dict(self.poll.poll(patience_ms))
            if self.control.fileno() in ready and not self._answer():
                return
            for session in [one for one in self.sessions.values() if one.process.ended_fd in ready] if ready else ():
                self._bury(session)
            if ready:
                self.spares.bury(ready)
            if lacks_spares and not ready:
                self.spares.add()
            if (self.sessions or self.has_orphans) and time.monotonic() >= self.next_watch:
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
            tree.remove(self.left.pop(number, self.place.scratch_of(number)))
        return True

    def _open(self, number: int, message: Mapping[str, Any], fds: list[int]) -> None:
        try:
            ready = None if message["fresh"] else self.spares.take(message, fds)
            if ready is None:
                if (pid := self._fork()) == 0:
                    bear = exec_session if self.place.cold else become_session
                    bear(self.place, message, fds)
                ready = Process(pid, os.pidfd_open(pid)), self.place.scratch_of(number)
        except OSError as problem:
            self._tell(event="refused", id=number, reason=str(problem))
        else:
            self.sessions[number] = _Session(number, ready[0], SandboxLimits(**message["limits"]), ready[1])
            self.poll.register(ready[0].ended_fd, select.POLLIN)
            self._tell(event="opened", id=number)
        finally:
            for fd in fds:
                os.close(fd)

    def _fork(self) -> int:
        if (threads := preload.thread_count()) != 1:
            raise OSError(f"the zygote has {threads} threads and cannot fork safely")
        return namespaces.fork_into_new_pids() if self.place.plan.namespaces else os.fork()

    def _watch_all(self) -> None:
        began = time.monotonic()
        below = tree.children_of_all()
        for session in self.sessions.values():
            self._watch(session, below)
        if self.has_orphans:
            self._reap_orphans(below)
        now = time.monotonic()
        self.next_watch = now + max(_TICK_S, _REST * (now - began))

    def _watch(self, session: _Session, below: Mapping[int, list[int]]) -> None:
        """End a session whose processes use too much memory, or whose files too much disk."""
        limit = session.limits.memory_mb * _MIB
        pid = session.process.pid
        pids = tree.descendants(pid, below)
        if tree.memory_bytes(pids, limit) > limit:
            session.why = f"more than the memory limit of {session.limits.memory_mb} MiB was used"
        elif not self.place.plan.namespaces:
            room = session.limits.workdir_mb * _MIB
            if tree.tree_files_bytes(session.scratch, pids) > room:
                session.why = f"more than {session.limits.workdir_mb} MiB of files were written, or too many files"
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
        self.left[session.number] = session.scratch
        if not self.place.plan.namespaces:
            self._reap_orphans(tree.children_of_all())
        self._tell(event="ended", id=session.number, code=code, why=session.why)

    def _reap_orphans(self, below: Mapping[int, list[int]]) -> None:
        """Reap what ended sessions left to this subreaper, never a session leader."""
        leaders = {one.process.pid for one in self.sessions.values()} | self.spares.pids
        self.has_orphans = False
        for pid in below.get(os.getpid(), []):
            if pid not in leaders:
                try:
                    self.has_orphans |= os.waitpid(pid, os.WNOHANG)[0] == 0
                except ChildProcessError:
                    continue

    def _tell(self, **message: object) -> None:
        try:
            self.control.send(wire.pack(message))
        except (BrokenPipeError, ConnectionResetError):
            os._exit(0)


def main(control_fd: int, life_fd: int) -> None:
    """Run a zygote on the descriptors its host left open."""
    control = socket.socket(fileno=control_fd)
    config = wire.unpack(control.recv(wire.MESSAGE_BYTES))
    plan = Plan(**config["plan"])
    cold = bool(config.get("cold"))
    readable = interpreter_paths(tuple(config["libraries"]))
    try:
        devices = gpus.device_files("all") if config.get("devices") == "all" else tuple(config.get("devices", ()))
        readable += gpus.SURROUNDINGS if devices else ()
        guard(plan, life_fd=life_fd, scratch=config["scratch"], readable=readable, devices=devices)
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
    prepare(plan, Profile.COLD if cold else Profile.CELL)
    preload.preload(config["preload"])
    hot = HotPages() if cold else scout()
    libc.prctl(libc.PR_SET_DUMPABLE, 0)
    control.send(wire.pack({"event": "ready"}))
    own_modules = tuple(name for name in sys.modules if name.split(".")[0] == "sandmle")
    place = Birthplace(
        plan=plan,
        scratch=config["scratch"],
        readable=readable,
        own_modules=own_modules,
        cold=cold,
        devices=devices,
        hot=hot,
    )
    _Zygote(control, place, 0 if cold else config.get("spares", 1)).serve()
    os._exit(0)
