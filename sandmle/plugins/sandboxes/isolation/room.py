"""What a session is enclosed in: how strongly (`Plan`), and with what inside (`Room`)."""

import os
import sys
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from sandmle.core.types.sandbox import IsolationLevel, SandboxLimits
from sandmle.plugins.sandboxes.isolation import landlock

WORK: Final = "/sandbox"
"""The work directory inside a session with namespaces."""
OLD_ROOT: Final = "/.host"
"""Where the machine's files stay reachable for a zygote; detached in every session."""

_FIRST_UID: Final = 200_000
_UIDS_EACH: Final = 65_536


class Profile(StrEnum):
    """What kind of process is enclosed."""

    CELL = "cell"
    """A session of the process backend: no sockets at all."""
    COLD = "cold"
    """As a cell, in an interpreter that was not forked warm: its libraries have many threads."""
    KERNEL = "kernel"
    """A Jupyter kernel: many threads, and listening UNIX sockets in the shared directory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How strongly to enclose; whether it holds is for the probes to say."""

    namespaces: bool
    """Own mount, pid, network, IPC and host-name namespaces."""
    new_user: bool = False
    """Enter a user namespace first, as an ordinary user must to get the others."""
    own_uid: bool = False
    """Give every session a user id of its own; needs root."""
    landlock: bool = True
    """Landlock; what a kernel without it leaves is for namespaces to keep."""
    kernel_rules: bool = True
    """Landlock, where it is not left out by name, and seccomp."""

    @property
    def level(self) -> IsolationLevel:
        """The level this plan reaches if its probes hold."""
        walls = self.namespaces + self.landlock if self.kernel_rules else 0
        return {2: IsolationLevel.L3, 1: IsolationLevel.L2, 0: IsolationLevel.L0}[walls]

    @property
    def walls(self) -> str:
        """What this plan is made of: which rung of its level it is."""
        if not self.kernel_rules:
            return "rlimits only"
        return ("namespaces, " if self.namespaces else "") + ("Landlock, " if self.landlock else "") + "seccomp"


def plans(strongest: IsolationLevel, *, allow_unsafe: bool) -> list[Plan]:
    """The plans worth trying here, strongest first.

    Level L2 has two rungs: Landlock where namespaces are not allowed, and namespaces where the kernel
    has no Landlock. Whether namespaces can be had is seen by trying; Landlock's absence is known at once.
    """
    root = os.geteuid() == 0
    within = [Plan(namespaces=True, own_uid=True)] if root else []
    within.append(Plan(namespaces=True, new_user=True))
    beside = [Plan(namespaces=False, own_uid=True)] if root else []
    beside.append(Plan(namespaces=False))
    found: list[Plan] = []
    if strongest is IsolationLevel.L3:
        found += within
    if strongest in (IsolationLevel.L3, IsolationLevel.L2):
        found += beside
        found = found if landlock.abi() else []
        found += [replace(plan, landlock=False) for plan in within]
    if allow_unsafe:
        found.append(Plan(namespaces=False, kernel_rules=False))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """One session's surroundings."""

    profile: Profile
    limits: SandboxLimits
    public_dir: str | None
    """Absolute path on the machine, seen read-only as `data`."""
    scratch: str
    """An empty directory on the machine for this session alone; used without namespaces."""
    uid: int
    """The session's user id where the plan gives it one, see `session_uid`."""
    shared_dirs: tuple[str, ...] = field(default=())
    """Directories writable inside under their own path; UNIX sockets may live there (KERNEL)."""
    readable: tuple[str, ...] = field(default=())
    """What the interpreter needs, see `interpreter_paths`."""
    devices: tuple[str, ...] = field(default=())
    """Device files that may be used, such as those of a GPU."""


def missing_walls() -> list[str]:
    """What this kernel surely lacks, one reason each."""
    return [] if landlock.abi() else ["L3: this kernel has no Landlock (Linux 5.13 and newer have)"]


def session_uid(number: int) -> int:
    """A user id for the `number`-th session of this process, apart from those of other processes."""
    return _FIRST_UID + (os.getpid() % 30_000) * _UIDS_EACH + number % _UIDS_EACH


def interpreter_paths(extra: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Every existing path that Python, its libraries and a shell need to read, and nothing else.

    Of an interpreter's prefix only `bin`, `lib` and `lib64`: a virtual environment often lies inside
    a project, and a prefix may hold more than an interpreter.

    Args:
        extra: More library directories, such as an added `site-packages`.
    """
    wanted = ["/bin", "/lib", "/lib32", "/lib64", "/libx32", "/usr/bin", "/usr/lib", "/usr/lib32"]
    wanted += ["/usr/lib64", "/usr/libexec", "/usr/local/bin", "/usr/local/lib", "/usr/share/zoneinfo"]
    wanted += ["/etc/ld.so.cache", "/etc/localtime", "/etc/alternatives"]
    wanted.append("/nix/store")
    for prefix in (sys.base_prefix, sys.base_exec_prefix, sys.prefix, sys.exec_prefix):
        wanted += [f"{prefix}/{name}" for name in ("bin", "lib", "lib64", "pyvenv.cfg")]
    wanted += extra
    return tuple(dict.fromkeys(path for path in wanted if os.path.exists(path)))
