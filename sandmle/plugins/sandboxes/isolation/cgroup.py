"""cgroup v2: sessions in groups of their own, whose memory and processes the kernel itself bounds and ends.

Used by the host, which may divide its own cgroup where that was delegated to it (a container with a cgroup
namespace, `systemd-run --user --scope -p Delegate=yes`). File names and meanings are from the kernel's
Documentation/admin-guide/cgroup-v2.rst.
"""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sandmle.core.types.sandbox import SandboxLimits
from sandmle.plugins.sandboxes.isolation import tree

_MIB: Final = 1024 * 1024
_WANTED: Final = ("memory", "pids")
_HOST_LEAF: Final = "sandmle-host"
"""Where the host's own processes go, because a group that is divided may hold none itself."""
_PREFIX: Final = "sandmle-session-"
_KERNEL_MB: Final = 64
"""Page tables, directory entries and the like count here, and are no memory that a session asked for."""
_REMEDY: Final = "start it with `systemd-run --user --scope -p Delegate=yes`, or name another group in cgroup_root"


class Cgroups:
    """A cgroup that may be divided among sessions."""

    def __init__(self, root: Path, controllers: frozenset[str]) -> None:
        """Divide `root`, in which `controllers` of `memory` and `pids` work; see `open_cgroups`."""
        self.root = root
        self.controllers = controllers
        self._number = 0
        self._left: list[Cgroup] = []
        for place in root.glob(f"{_PREFIX}*"):
            pid, started, _ = place.name.removeprefix(_PREFIX).split("-")
            if tree.started(int(pid)) != started:
                with contextlib.suppress(OSError):
                    # Empty: what a host leaves running is ended by its guardians.
                    place.rmdir()

    @property
    def bounds(self) -> str:
        """What the kernel does here, in the names of its files."""
        return ", ".join([*(f"{name}.max" for name in _WANTED if name in self.controllers), "cgroup.kill"])

    def enclose(self, pid: int, limits: SandboxLimits) -> "Cgroup":
        """Put the process `pid`, with what it will start, into a group of its own. Takes tens of milliseconds.

        Memory in it is what the session's processes use and what its files take.

        Raises:
            OSError: the kernel refused.
        """
        self.clear()
        self._number += 1
        own = os.getpid()
        place = self.root / f"{_PREFIX}{own}-{tree.started(own)}-{self._number}"
        place.mkdir()
        group = Cgroup(place)
        with contextlib.ExitStack() as stack:
            stack.callback(self.let_go, group)
            if "memory" in self.controllers:
                most = (limits.memory_mb + limits.workdir_mb + _KERNEL_MB) * _MIB
                _write(place / "memory.max", str(most))
                _write(place / "memory.oom.group", "1")
                if (place / "memory.swap.max").exists():
                    _write(place / "memory.swap.max", "0")
            if "pids" in self.controllers:
                _write(place / "pids.max", str(limits.processes))
            _write(place / "cgroup.procs", str(pid))
            stack.pop_all()
        return group

    def let_go(self, group: "Cgroup") -> None:
        """Remove a group whose processes were killed, or later when the last of them has been reaped."""
        self._left.append(group)
        self.clear()

    def clear(self) -> None:
        """Remove what could not be removed before."""
        self._left = [group for group in self._left if not group.remove()]


@dataclass(frozen=True, slots=True)
class Cgroup:
    """The group of one session."""

    place: Path

    def kill(self) -> None:
        """Kill every process in it at once, however they were started."""
        with contextlib.suppress(OSError):
            _write(self.place / "cgroup.kill", "1")

    def was_out_of_memory(self) -> bool:
        """Whether the kernel killed something in it for the memory it used."""
        try:
            events = dict(line.split() for line in (self.place / "memory.events").read_text("ascii").splitlines())
        except OSError:
            return False
        return int(events.get("oom_kill", 0)) > 0

    def remove(self) -> bool:
        """Remove it; False while something in it has not been reaped yet."""
        try:
            self.place.rmdir()
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True


def open_cgroups(root: Path | None, proc: Path = Path("/proc")) -> Cgroups:
    """The group `root`, or that of this process, ready to be divided.

    Raises:
        OSError: it cannot be; the message says why, and what would help.
    """
    place = root or own_cgroup(proc)
    if not (place / "cgroup.kill").exists() and not (place / "cgroup.controllers").exists():
        raise OSError(f"{place} is no cgroup v2 directory")
    if not all(os.access(place / name, os.W_OK) for name in ("", "cgroup.procs", "cgroup.subtree_control")):
        raise OSError(f"the cgroup {place} was not delegated to this user: {_REMEDY}")
    offered = _words(place / "cgroup.controllers")
    missing = [name for name in _WANTED if name not in offered]
    if missing and root is None:
        raise OSError(f"the cgroup {place} has no {' and no '.join(missing)} controller (as where cgroup v1 has them)")
    working = {name for name in _WANTED if name in offered}
    _enable(place, sorted(working - _words(place / "cgroup.subtree_control")), is_own=root is None)
    groups = Cgroups(place, frozenset(working))
    with _trial(place) as inside:
        if not (inside / "cgroup.kill").exists():
            raise OSError(f"the cgroups of this kernel have no cgroup.kill (Linux 5.14 and newer have) at {place}")
    return groups


def own_cgroup(proc: Path = Path("/proc")) -> Path:
    """The cgroup v2 directory of this process, or of the group that was divided for it before.

    Raises:
        OSError: there is none, or it is not mounted where this process sees it.
    """
    lines = (proc / "self" / "cgroup").read_text("utf-8").splitlines()
    own = next((line.removeprefix("0::") for line in lines if line.startswith("0::")), None)
    for line in (proc / "self" / "mountinfo").read_text("utf-8").splitlines():
        before, _, after = line.partition(" - ")
        if own is not None and after.split()[0] == "cgroup2":
            # The fourth and fifth field: which part of the hierarchy is mounted, and where.
            top, where = before.split()[3:5]
            if own == top or own.startswith(f"{top.rstrip('/')}/"):
                place = Path(where, os.path.relpath(own, top))
                return place.parent if place.name == _HOST_LEAF else Path(os.path.normpath(place))
    raise OSError("cgroup v2 is not mounted here")


def _enable(place: Path, controllers: list[str], *, is_own: bool) -> None:
    if not controllers:
        return
    if not (place / "cgroup.type").exists():
        # The root of the machine; what is set there would hold for everybody.
        raise OSError(f"the controllers {', '.join(controllers)} are not enabled for groups below {place}")
    if is_own:
        _move_to_leaf(place)
    try:
        _write(place / "cgroup.subtree_control", " ".join(f"+{name}" for name in controllers))
    except OSError as problem:
        raise OSError(f"the cgroup {place} cannot be divided ({problem.strerror}): {_REMEDY}") from problem


def _move_to_leaf(place: Path) -> None:
    """Move this process and those it started into a group below their own, unless others are in it."""
    inside = {int(word) for word in _words(place / "cgroup.procs")}
    if inside - set(tree.descendants(os.getpid())):
        raise OSError(f"the cgroup {place} holds processes that are not ours: {_REMEDY}")
    leaf = place / _HOST_LEAF
    leaf.mkdir(exist_ok=True)
    for pid in inside:
        with contextlib.suppress(ProcessLookupError):
            _write(leaf / "cgroup.procs", str(pid))


@contextlib.contextmanager
def _trial(place: Path) -> Iterator[Path]:
    inside = place / f"sandmle-trial-{os.getpid()}"
    inside.mkdir()
    try:
        yield inside
    finally:
        inside.rmdir()


def _words(path: Path) -> set[str]:
    return set(path.read_text("ascii").split())


def _write(path: Path, text: str) -> None:
    # In one call and without creating: these are the kernel's files.
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode("ascii"))
    finally:
        os.close(fd)
