"""In a forked child: from a copy of the zygote to an enclosed session that runs cells."""

import fcntl
import os
import select
import socket
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from sandmle.core.types.sandbox import SandboxLimits
from sandmle.plugins.sandboxes.isolation import Plan, Profile, Room, seal
from sandmle.plugins.sandboxes.process import cell, wire
from sandmle.plugins.sandboxes.process.hot_pages import HotPages

FDS_OF_A_SESSION: Final = 3
"""Channel, standard output, standard error."""
_NICENESS: Final = 5
"""Of sessions, so that however much they run, their zygote gets a processor when it is asked for something."""
_LULL_S: Final = 0.02
"""A session that waits so long copies its memory ahead. Those taken in a burst share it, and more of them fit."""
_DIRECTORY_FD: Final = wire.CONTROL_FD + 1
_FIRST_FREE_FD: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Birthplace:
    """What every session of one zygote has in common."""

    plan: Plan
    scratch: str
    """The zygote's directory on the machine; a session's own is below it."""
    readable: tuple[str, ...]
    own_modules: tuple[str, ...]
    """Names of our modules: found before the fork, since looking through all names copies the pages they lie on."""
    cold: bool = False
    """Sessions are fresh interpreters."""
    devices: tuple[str, ...] = ()
    """Device files that sessions may use."""
    hot: HotPages = field(default=HotPages())
    """Copied ahead by sessions that wait."""

    def room(self, message: Mapping[str, Any]) -> Room:
        """What the session that `message` asks for is enclosed in."""
        return Room(
            profile=Profile.COLD if self.cold else Profile.CELL,
            limits=SandboxLimits(**message["limits"]),
            public_dir=message["public_dir"],
            scratch=self.scratch_of(message["id"]),
            uid=message["uid"],
            readable=self.readable,
            devices=self.devices,
        )

    def scratch_of(self, name: int | str) -> str:
        """The directory of one session on the machine; used without namespaces."""
        return f"{self.scratch}/{name}"


def become_session(place: Birthplace, message: Mapping[str, Any], fds: list[int]) -> NoReturn:
    """Enclose this process, say so, and run cells for ever."""
    try:
        channel = _take_descriptors(fds)
        try:
            directory = _enclose(place, message)
        except OSError as problem:
            channel.send(f"the session could not be enclosed: {problem}".encode())
            os._exit(1)
        _converse(channel, directory)
    finally:
        os._exit(1)


def become_spare(place: Birthplace, message: Mapping[str, Any], order: socket.socket) -> NoReturn:
    """Enclose this process as `message` says, get warm, and wait for descriptors to run cells on.

    Ends when the zygote does. Nothing but `order` stays open: the zygote's own ends of its channels would
    outlive it here.
    """
    try:
        nowhere = os.open(os.devnull, os.O_RDWR)
        order = _take_descriptors([order.detach(), nowhere, nowhere])
        directory = _enclose(place, message)
        if not _is_wanted(order, _LULL_S):
            place.hot.fetch(lambda: _is_wanted(order, 0))
        data, fds, _, _ = socket.recv_fds(order, len(wire.GO), FDS_OF_A_SESSION)
        order.detach()
        if data == wire.GO and len(fds) == FDS_OF_A_SESSION:
            _converse(_take_descriptors([*fds, directory]), _DIRECTORY_FD)
    finally:
        os._exit(1)


def _is_wanted(order: socket.socket, wait_s: float) -> bool:
    return bool(select.select([order], [], [], wait_s)[0])


def _enclose(place: Birthplace, message: Mapping[str, Any]) -> int:
    """Everything that must be so before untrusted code runs; a descriptor of the work directory.

    Raises:
        OSError: the kernel refused.
    """
    room = place.room(message)
    if not place.plan.namespaces:
        os.setsid()
        os.mkdir(room.scratch, 0o711)
    directory = seal(place.plan, room)
    _tidy_interpreter(room, place)
    os.nice(_NICENESS)
    return directory


def _converse(channel: socket.socket, directory: int) -> NoReturn:
    socket.send_fds(channel, [wire.READY], [directory])
    os.close(directory)
    cell.converse(channel)


def _take_descriptors(fds: list[int]) -> socket.socket:
    """Keep nothing open but the standard streams, the session's channel and what else `fds` has (then `_DIRECTORY_FD`).

    Args:
        fds: Channel, standard output, standard error, and a descriptor of the work directory if there is one yet.
    """
    moved = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _FIRST_FREE_FD) for fd in fds]
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(moved[1], 1)
    os.dup2(moved[2], 2)
    os.dup2(moved[0], wire.CONTROL_FD, inheritable=False)
    os.closerange(wire.CONTROL_FD + 1, _FIRST_FREE_FD)
    for fd in moved[FDS_OF_A_SESSION:]:
        os.dup2(fd, _DIRECTORY_FD, inheritable=False)
    os.closerange(_DIRECTORY_FD + len(fds) - FDS_OF_A_SESSION, 65_536)
    cell.open_streams()
    return socket.socket(fileno=wire.CONTROL_FD)


def _tidy_interpreter(room: Room, place: Birthplace) -> None:
    """Make the interpreter look like a fresh one that was started in the work directory."""
    temporary = "/tmp" if place.plan.namespaces else f"{room.scratch}/tmp"
    os.environ.update(HOME=temporary, TMPDIR=temporary)
    tempfile.tempdir = None
    sys.path.insert(0, "")
    sys.argv = [""]
    for name in place.own_modules:
        sys.modules.pop(name, None)
