"""Measurements by name, and what is said of them."""

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

SESSION, START, TRIVIAL, LOGREG, END = (
    "session of 6 cells",
    "start to first result",
    "trivial step",
    "LogReg step",
    "end",
)
"""What is measured of every way, where it has it."""


@dataclass
class Record:
    """Seconds by way and by what was measured."""

    seconds: dict[str, dict[str, list[float]]] = field(default_factory=dict)

    def add(self, way: str, what: str, seconds: float) -> None:
        """Add one measurement."""
        self.seconds.setdefault(way, {}).setdefault(what, []).append(seconds)

    @contextmanager
    def timed(self, way: str, what: str) -> Iterator[None]:
        """Add how long the block took; nothing when it fails."""
        began = time.perf_counter()
        yield
        self.add(way, what, time.perf_counter() - began)

    def figures(self) -> dict[str, dict[str, dict[str, float]]]:
        """Medians and spreads, in milliseconds."""
        return {way: {what: summary(seconds) for what, seconds in rows.items()} for way, rows in self.seconds.items()}


def summary(seconds: list[float]) -> dict[str, float]:
    """Median and spread in milliseconds.

    >>> summary([0.002, 0.001, 0.003])["median_ms"]
    2.0
    """
    ordered = sorted(one * 1e3 for one in seconds)
    return {
        "median_ms": statistics.median(ordered),
        "quarter_ms": ordered[len(ordered) // 4],
        "three_quarters_ms": ordered[len(ordered) * 3 // 4],
        "least_ms": ordered[0],
        "most_ms": ordered[-1],
        "n": len(ordered),
    }


def median(figures: dict[str, Any], way: str, what: str) -> float | None:
    """A median in milliseconds, if it was measured."""
    row = figures.get(way, {}).get(what)
    return None if row is None else float(row["median_ms"])
