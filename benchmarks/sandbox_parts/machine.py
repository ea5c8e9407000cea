"""What processes and the machine use, read from /proc."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sandmle.plugins.sandboxes.isolation import tree

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_CPU_FIELDS: Final = slice(11, 15)
"""utime, stime, cutime, cstime of proc(5), counted after the name."""


@dataclass(frozen=True, slots=True)
class Use:
    """Of this process and everything below it, unless a field says otherwise."""

    processes: int
    open_files: int
    """Of this process."""
    mounts: int
    """Of our own in this process's namespace, and what its children's namespaces hold more: others mount, too."""
    memory_mib: float
    """Proportional set size: what is shared is divided among those who share it."""
    cpu_s: float
    """Processor time of all that live, and of the ended whom somebody waited for."""


def use_now() -> Use:
    """Look at everything below this process."""
    pids = tree.descendants(os.getpid())
    here = _mounts("self")
    return Use(
        processes=len(pids),
        open_files=len(os.listdir("/proc/self/fd")),
        mounts=sum(b"sandmle" in line for line in here) + sum(max(0, len(_mounts(pid)) - len(here)) for pid in pids),
        memory_mib=sum(_pss_kib(pid) for pid in pids) / 1024,
        cpu_s=sum(_cpu_s(pid) for pid in pids),
    )


def available_mib() -> float:
    """Memory that this machine could still give."""
    for line in Path("/proc/meminfo").read_text("ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("this kernel does not say how much memory is available")


def _mounts(pid: int | str) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/mountinfo").read_bytes().splitlines()
    except OSError:
        # It ended while we were counting.
        return []


def _pss_kib(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def _cpu_s(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(one) for one in fields[_CPU_FIELDS]) / _TICKS
