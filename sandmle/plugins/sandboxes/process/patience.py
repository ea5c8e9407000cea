"""Waiting for a zygote that may be starved: a busy machine makes it late, only a hang makes it lost.

A deadline in wall time alone takes the one for the other: with more busy processes than processors, a
zygote may wait many times as long for a processor as it needs it for. So what is counted against it is
the time in which it neither ran nor stood in line to run.
"""

import asyncio
from pathlib import Path
from typing import Any, Final

_LOOK_S: Final = 0.5
_IN_LINE: Final = frozenset("RD")
"""Running or about to, or in the kernel's hands; the other states of proc(5) wait for somebody else."""
_LONGEST: Final = 15.0
"""However busy: this many times the patience with a hang. Without figures of the kernel, a third of that."""


async def settled(future: "asyncio.Future[Any]", *, pid: int | None, idle_s: float) -> bool:
    """Wait until `future` is done, or the process that shall do it has been idle for `idle_s` meanwhile.

    Args:
        future: Not cancelled, whatever comes of it.
        pid: The process, as this one sees it; `None` when it cannot be told.
        idle_s: Seconds.

    Returns:
        Whether `future` is done.
    """
    loop = asyncio.get_running_loop()
    began = looked = loop.time()
    used = _used_s(pid)
    idle = 0.0
    while not future.done():
        await asyncio.wait({future}, timeout=min(_LOOK_S, idle_s))
        now, used_now = loop.time(), _used_s(pid)
        if used is None or used_now is None:
            # Nothing is known about it; then only the clock on the wall is left.
            idle = (now - began) * 3 / _LONGEST
        elif _state(pid) not in _IN_LINE:
            idle += max(0.0, now - looked - (used_now - used))
        looked, used = now, used_now
        if idle >= idle_s or now - began >= idle_s * _LONGEST:
            break
    return future.done()


def child_of(guardian: int) -> int | None:
    """The one child of a guardian, which is its zygote; `None` when the kernel does not tell."""
    try:
        children = Path(f"/proc/{guardian}/task/{guardian}/children").read_text(encoding="ascii").split()
    except OSError:
        return None
    return int(children[0]) if children else None


def _used_s(pid: int | None) -> float | None:
    """Seconds that `pid` has run or waited for a processor so far."""
    try:
        ran, waited, _ = Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return None
    return (int(ran) + int(waited)) / 1e9


def _state(pid: int | None) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return "X"
