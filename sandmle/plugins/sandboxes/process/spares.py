"""Sessions that a zygote has forked and enclosed ahead, for whoever asks next for one of their kind."""

import json
import os
import select
import socket
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sandmle.plugins.sandboxes.isolation import tree
from sandmle.plugins.sandboxes.isolation.room import OLD_ROOT
from sandmle.plugins.sandboxes.process import wire
from sandmle.plugins.sandboxes.process.child import Birthplace, become_spare

_KINDS_KEPT: Final = 4
"""Kinds of sessions, those asked for last, of which some are kept ready."""
_UIDS_KEPT: Final = 64
_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Process:
    """A forked process and a descriptor that becomes readable when it ends."""

    pid: int
    ended_fd: int


@dataclass(frozen=True, slots=True)
class _Spare:
    """A session that lacks nothing but its channel and streams."""

    process: Process
    order: socket.socket
    scratch: str

    def give(self, fds: list[int]) -> bool:
        """Have it begin on `fds`; False when it is dead."""
        poll = select.poll()
        poll.register(self.process.ended_fd, select.POLLIN)
        if poll.poll(0):
            return False
        try:
            socket.send_fds(self.order, [wire.GO], fds)
        except OSError:
            return False
        return True


@dataclass(slots=True)
class Spares:
    """The sessions kept ready by one zygote.

    What a session is enclosed in cannot be changed afterwards, so a spare serves only requests of its kind: the
    same limits and the same public directory, found unchanged.
    """

    place: Birthplace
    fork: Callable[[], int]
    poll: select.poll
    """The zygote's own."""
    each: int
    """To keep of each kind."""
    _kinds: "OrderedDict[str, dict[str, Any]]" = field(default_factory=OrderedDict)
    """The last kinds asked for, the newest at the end."""
    _ready: dict[str, list[_Spare]] = field(default_factory=dict)
    _uids: deque[int] = field(default_factory=lambda: deque(maxlen=_UIDS_KEPT))
    """User ids that nobody has yet."""
    _made: int = 0
    _is_refused: bool = False
    """Whether the last fork failed, with nobody to be told."""
    _deaths: int = 0
    """Of spares, since a session was asked for."""
    _not_before: float = 0.0

    @property
    def pids(self) -> set[int]:
        """Of all spares."""
        return {one.process.pid for spares in self._ready.values() for one in spares}

    def take(self, message: Mapping[str, Any], fds: list[int]) -> tuple[Process, str] | None:
        """A spare that becomes the session `message` asks for, with its directory; None when there is none alive.

        Its kind is remembered, so that there will be one the next time.
        """
        kind = self._kind(message)
        self._is_refused, self._deaths = False, 0
        self._kinds.pop(kind, None)
        self._kinds[kind] = {"limits": message["limits"], "public_dir": message["public_dir"]}
        self._uids += message["spare_uids"]
        while spares := self._ready.get(kind):
            spare = spares.pop(0)
            is_given = spare.give(fds)
            spare.order.close()
            if is_given:
                self.poll.unregister(spare.process.ended_fd)
                self._uids.append(message["uid"])
                return spare.process, spare.scratch
            self._discard(spare)
        return None

    @property
    def is_pausing(self) -> bool:
        """Whether it is too early after a death to fork ahead."""
        return time.monotonic() < self._not_before

    def is_short(self) -> bool:
        """Whether `add` has something to do."""
        return self._wanted() is not None

    def add(self) -> None:
        """Fork one more of the kind that lacks it, and end those of kinds that nobody asks for any more."""
        while len(self._kinds) > _KINDS_KEPT:
            old, _ = self._kinds.popitem(last=False)
            for spare in self._ready.pop(old, []):
                spare.order.close()
                self._discard(spare)
        if (kind := self._wanted()) is None:
            return
        self._made += 1
        message = {**self._kinds[kind], "id": f"ahead{self._made}", "uid": self._uids.popleft()}
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            try:
                pid = self.fork()
            except OSError:
                # The next session will meet the same refusal, and then there is somebody to be told.
                ours.close()
                self._is_refused = True
                return
            if pid == 0:
                become_spare(self.place, message, theirs)
        process = Process(pid, os.pidfd_open(pid))
        self.poll.register(process.ended_fd, select.POLLIN)
        self._ready.setdefault(kind, []).append(_Spare(process, ours, self.place.scratch_of(message["id"])))

    def bury(self, ready: Mapping[int, int]) -> None:
        """Drop the spares whose descriptors in `ready` say that they ended.

        What ended them may meet their successors too, so those are made after a pause that grows with every death,
        until somebody asks for a session again.
        """
        for spares in self._ready.values():
            for spare in [one for one in spares if one.process.ended_fd in ready]:
                spares.remove(spare)
                spare.order.close()
                self._discard(spare)
                self._deaths += 1
                self._not_before = time.monotonic() + min(_LONGEST_PAUSE_S, _PAUSE_S * 2**self._deaths)

    def _wanted(self) -> str | None:
        """The newest kind of which there are too few."""
        if not self._uids or self._is_refused or self.is_pausing:
            return None
        kinds = list(self._kinds)[-_KINDS_KEPT:]
        return next((kind for kind in reversed(kinds) if len(self._ready.get(kind, ())) < self.each), None)

    def _kind(self, message: Mapping[str, Any]) -> str:
        """What must be the same for a spare to serve: a directory made anew under an old name is another one."""
        public_dir, identity = message["public_dir"], None
        if public_dir is not None:
            try:
                found = os.stat(f"{OLD_ROOT if self.place.plan.namespaces else ''}{public_dir}")
                identity = (found.st_dev, found.st_ino, found.st_ctime_ns)
            except OSError:
                # Whoever encloses a session in it will say so.
                identity = None
        return json.dumps((message["limits"], public_dir, identity))

    def _discard(self, spare: _Spare) -> None:
        tree.kill_group(spare.process.pid)
        os.waitpid(spare.process.pid, 0)
        self.poll.unregister(spare.process.ended_fd)
        os.close(spare.process.ended_fd)
        tree.remove(spare.scratch)
