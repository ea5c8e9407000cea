"""In a forked child: from a copy of the zygote to an enclosed session that runs cells."""

import os
import select
import socket
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from sandmle.core.types.sandbox import SandboxLimits
from sandmle.plugins.sandboxes.isolation import Plan, Profile, Room, seal
from sandmle.plugins.sandboxes.process import cell, wire

FDS_OF_A_SESSION: Final = 3
"""Channel, standard output, standard error."""
_NICENESS: Final = 5
"""Of sessions, so that however much they run, their zygote gets a processor when it is asked for something."""
_SPARE_FD: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Birthplace:
    """What every session of one zygote has in common."""

    plan: Plan
    scratch: str
    """The zygote's directory on the machine; a session's own is below it."""
    readable: tuple[str, ...]
    own_modules: tuple[str, ...]
    """Names of our modules: found before the fork, since looking through all names copies the pages they lie on."""

    def room(self, message: Mapping[str, Any]) -> Room:
        """What the session that `message` asks for is enclosed in."""
        return Room(
            profile=Profile.CELL,
            limits=SandboxLimits(**message["limits"]),
            public_dir=message["public_dir"],
            scratch=f"{self.scratch}/{message['id']}",
            uid=message["uid"],
            readable=self.readable,
        )


def become_session(place: Birthplace, message: Mapping[str, Any], fds: list[int]) -> NoReturn:
    """Enclose this process, say so, and run cells for ever."""
    try:
        plan, room = place.plan, place.room(message)
        if not plan.namespaces:
            os.setsid()
        channel = _take_descriptors(fds)
        try:
            if not plan.namespaces:
                os.mkdir(room.scratch, 0o711)
            directory = seal(plan, room)
        except OSError as problem:
            channel.send(f"the session could not be enclosed: {problem}".encode())
            os._exit(1)
        socket.send_fds(channel, [wire.READY], [directory])
        os.close(directory)
        _tidy_interpreter(room, place)
        os.nice(_NICENESS)
        cell.converse(channel)
    finally:
        os._exit(1)


def await_order(place: Birthplace, order: socket.socket) -> NoReturn:
    """Wait to be told which session to become; end when the zygote does.

    Nothing but `order` stays open: the zygote's own ends of its channels would outlive it here.
    """
    try:
        os.dup2(order.detach(), _SPARE_FD)
        os.closerange(3, _SPARE_FD)
        os.closerange(_SPARE_FD + 1, 65_536)
        channel = socket.socket(fileno=_SPARE_FD)
        select.select([channel], [], [])
        data, fds, _, _ = socket.recv_fds(channel, wire.MESSAGE_BYTES, FDS_OF_A_SESSION)
        if data:
            become_session(place, wire.unpack(data), fds)
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


def _tidy_interpreter(room: Room, place: Birthplace) -> None:
    """Make the interpreter look like a fresh one that was started in the work directory."""
    temporary = "/tmp" if place.plan.namespaces else f"{room.scratch}/tmp"
    os.environ.update(HOME=temporary, TMPDIR=temporary)
    tempfile.tempdir = None
    sys.path.insert(0, "")
    sys.argv = [""]
    for name in place.own_modules:
        sys.modules.pop(name, None)
