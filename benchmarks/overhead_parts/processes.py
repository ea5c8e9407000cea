"""Processor time of this process and of everything below it, from /proc."""

import os
from pathlib import Path
from typing import Final

_TICK_S: Final = 1 / os.sysconf("SC_CLK_TCK")
_PARENT, _FIRST_TIME, _LAST_TIME = 1, 11, 15
"""Positions, behind a process's name, of its parent, and of its own and its reaped children's times."""


def tree_cpu_s(root: int | None = None) -> float:
    """Seconds that a process (by default this one) and all that descends from it have used so far."""
    root = root or os.getpid()
    parents: dict[int, int] = {}
    seconds: dict[int, float] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _fields(entry / "stat")):
            number = int(entry.name)
            parents[number] = int(fields[_PARENT])
            seconds[number] = sum(map(int, fields[_FIRST_TIME:_LAST_TIME])) * _TICK_S
    return sum(spent for number, spent in seconds.items() if _is_below(number, root, parents))


def _fields(path: Path) -> list[str]:
    try:
        # A name may hold blanks and parentheses; what follows the last one does not.
        return path.read_text("utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def _is_below(number: int, root: int, parents: dict[int, int]) -> bool:
    while number != root:
        if number not in parents:
            return False
        number = parents[number]
    return True
