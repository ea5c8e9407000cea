"""Resource limits of one process, set hard so that they cannot be raised again."""

import os
import resource
from typing import Final

from sandmle.core.types.sandbox import SandboxLimits

_MIB: Final = 1024 * 1024
_OPEN_FILES: Final = 1024


def apply(limits: SandboxLimits, *, slack_mb: int | None) -> None:
    """Limit address space, file size, open files and core dumps.

    The address space may grow by the memory limit plus `slack_mb`, which pays for what threads
    reserve and never touch; `None` sets it no limit. What many processes use together is for the watchdog.
    """
    if slack_mb is not None:
        _lower(resource.RLIMIT_AS, _current_address_space() + (limits.memory_mb + slack_mb) * _MIB)
    _lower(resource.RLIMIT_FSIZE, limits.workdir_mb * _MIB)
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_NOFILE, _OPEN_FILES)


def cap_processes(limits: SandboxLimits, *, already: int) -> None:
    """Limit processes and threads of this user id, of which `already` are not the session's.

    After entering a user namespace, because a limit set before also caps the sum outside it.
    """
    _lower(resource.RLIMIT_NPROC, limits.processes + already)


def tasks_of_user(uid: int) -> int:
    """How many processes and threads belong to `uid` now."""
    count = 0
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            if os.stat(f"/proc/{name}").st_uid == uid:
                count += len(os.listdir(f"/proc/{name}/task"))
        except OSError:
            # It ended while we were counting.
            continue
    return count


def _current_address_space() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def _lower(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(kind, (value, value))
