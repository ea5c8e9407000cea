"""What a session is enclosed in: how strongly (`Plan`), and with what inside (`Room`)."""

import os
import sys
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from sandmle.core.types.sandbox import IsolationLevel, SandboxLimits

WORK: Final = "/sandbox"
"""The work directory inside a session with namespaces."""
OLD_ROOT: Final = "/.host"
"""Where the machine's files stay reachable for a zygote; detached in every session."""

_FIRST_UID: Final = 200_000
_UIDS_EACH: Final = 4096


class Profile(StrEnum):
    """What kind of process is enclosed."""

    CELL = "cell"
    """A session of the process backend: no sockets at all."""
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
    kernel_rules: bool = True
    """Landlock and seccomp."""

    @property
    def level(self) -> IsolationLevel:
        """The level this plan reaches if its probes hold."""
        if not self.kernel_rules:
            return IsolationLevel.L0
        return IsolationLevel.L3 if self.namespaces else IsolationLevel.L2


def plans(strongest: IsolationLevel, *, allow_unsafe: bool) -> list[Plan]:
    """The plans worth trying here, strongest first."""
    root = os.geteuid() == 0
    found: list[Plan] = []
    if strongest is IsolationLevel.L3:
        if root:
            found.append(Plan(namespaces=True, own_uid=True))
        found.append(Plan(namespaces=True, new_user=True))
    if strongest in (IsolationLevel.L3, IsolationLevel.L2):
        if root:
            found.append(Plan(namespaces=False, own_uid=True))
        found.append(Plan(namespaces=False))
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
