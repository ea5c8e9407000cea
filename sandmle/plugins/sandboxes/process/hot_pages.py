"""Which memory the first cells of a session touch: learnt once, so that a session that waits can have it ready.

A forked process shares all memory with its zygote until it writes to it, and each first write or read of a page
then costs a fault of microseconds; the first fits in a session meet thousands. A scout is forked from the zygote,
runs typical cells, and reports the pages that this made its own. Sessions forked ahead have them copied in one go
while nobody waits for them. No code runs in a session for that, so it starts as clean as without.
"""

import contextlib
import io
import json
import os
import sys
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from sandmle.plugins.sandboxes.isolation import libc
from sandmle.plugins.sandboxes.process import cell

TYPICAL_CELLS: Final = (
    (
        "pandas",
        """
import pandas as pd
import numpy as np
rng = np.random.default_rng(0)
frame = pd.DataFrame({"a": rng.normal(size=120), "b": rng.normal(size=120), "c": rng.integers(0, 5, 120)})
frame["d"] = [("x", "y", "z")[at % 3] for at in range(120)]
print(frame.groupby("c")["a"].mean(), frame.head(), frame.isna().sum())
pd.read_csv(io.StringIO(frame.to_csv(index=False))).to_csv(io.StringIO(), index=False)
frame.describe()
""",
    ),
    (
        "sklearn",
        """
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
table = frame[["a", "b", "c"]]
target = (frame["a"] + frame["b"] > 0).astype(int)
train, test, train_target, test_target = train_test_split(table, target, random_state=0)
model = LogisticRegression().fit(train, train_target)
print(model.score(test, test_target), model.predict_proba(test)[:2])
""",
    ),
)
"""Each with the module that must have been preloaded; one namespace for all."""
_PRESENT: Final = 1 << 63
_ONLY_OURS: Final = 1 << 56
"""Bits of `/proc/self/pagemap`, from the kernel's Documentation/admin-guide/mm/pagemap.rst."""
_WORD_BYTES: Final = 8
_PIECE: Final = 64
"""Ranges copied between two looks at whether somebody waits."""

Range = tuple[int, int]
"""Start and length in bytes, whole pages."""


@dataclass(frozen=True, slots=True)
class HotPages:
    """Ranges of a zygote's memory."""

    written: tuple[Range, ...] = ()
    read: tuple[Range, ...] = ()
    """Of mapped files; forking leaves them out of the child's page tables."""

    def fetch(self, is_wanted: Callable[[], bool]) -> None:
        """Make this process, a child of the zygote, have them; stop as soon as `is_wanted` says that time is short.

        A kernel without the call, or a range that is gone, costs the faults later that this would have saved.
        """
        work = [(libc.MADV_POPULATE_WRITE, one) for one in self.written]
        work += [(libc.MADV_POPULATE_READ, one) for one in self.read]
        for at in range(0, len(work), _PIECE):
            if is_wanted():
                return
            for advice, (start, length) in work[at : at + _PIECE]:
                with contextlib.suppress(OSError):
                    libc.madvise(start, length, advice)


def scout() -> HotPages:
    """Fork a process that runs the typical cells, and learn from it what they touch; nothing where it cannot tell."""
    theirs, ours = os.pipe()
    pid = os.fork()
    if pid == 0:
        _report(ours)
    os.close(ours)
    with os.fdopen(theirs, "rb") as pipe:
        said = pipe.read()
    os.waitpid(pid, 0)
    if not said:
        return HotPages()
    found: dict[str, list[Range]] = json.loads(said)
    return HotPages(*(tuple((start, length) for start, length in found[kind]) for kind in ("written", "read")))


def _report(pipe: int) -> None:
    """In the scout: run the cells, write the ranges to `pipe` as JSON, and end."""
    try:
        before = dict(_areas())
        nowhere = os.open(os.devnull, os.O_RDWR)
        for fd in (1, 2):
            os.dup2(nowhere, fd)
        cell.open_streams()
        names: dict[str, Any] = {"io": io}
        for number, (module, code) in enumerate(TYPICAL_CELLS):
            if module in sys.modules:
                cell.run(code, f"<typical {number}>", names)
        found = _touched(before)
        with os.fdopen(pipe, "wb") as file:
            file.write(json.dumps(found).encode())
    finally:
        os._exit(0)


def _touched(areas: dict[Range, bool]) -> dict[str, list[Range]]:
    """Pages of `areas` that this process has and its parent's memory does not back, and files' pages in use."""
    size = os.sysconf("SC_PAGESIZE")
    found: dict[str, list[Range]] = {"written": [], "read": []}
    with open("/proc/self/pagemap", "rb", buffering=0) as pagemap:
        for (start, length), is_writable in areas.items():
            words = array("Q", os.pread(pagemap.fileno(), length // size * _WORD_BYTES, start // size * _WORD_BYTES))
            kind = "written" if is_writable else "read"
            needed = _PRESENT | _ONLY_OURS if is_writable else _PRESENT
            found[kind] += _runs(start, size, [word & needed == needed for word in words])
    return found


def _runs(start: int, size: int, chosen: list[bool]) -> Iterator[Range]:
    """Ranges of neighbouring chosen pages."""
    first = None
    for at, is_chosen in enumerate((*chosen, False)):
        if is_chosen and first is None:
            first = at
        elif not is_chosen and first is not None:
            yield start + first * size, (at - first) * size
            first = None


def _areas() -> Iterator[tuple[Range, bool]]:
    """Private mappings of this process that are written, or that read a file; whether they are writable."""
    with open("/proc/self/maps", encoding="utf-8", errors="replace") as file:
        for line in file:
            place, rights, _, _, _, *name = line.split(maxsplit=5)
            start, end = (int(word, 16) for word in place.split("-"))
            is_file = bool(name) and name[0].startswith("/")
            if "p" in rights and "r" in rights and ("w" in rights or is_file):
                yield (start, end - start), "w" in rights
