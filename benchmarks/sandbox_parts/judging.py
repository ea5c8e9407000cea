"""What was to be reached, and whether it was: ratios of medians of one run."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from sandbox_parts.figures import LOGREG, SESSION, START, TRIVIAL, median

BARE: Final = "bare exec"
KERNEL: Final = "jupyter_client, cold kernel"
SCRIPTS: Final = "subprocess per step"
USER: Final = "process L3, as an ordinary user"
DOCKER: Final = "docker L1"
JUPYTER: Final = "jupyter L3"
IMPORTED: Final = "start to imported"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One target."""

    what: str
    value: float | None
    """None where it was not measured."""
    bound: float
    is_most: bool
    """Whether `bound` is the most that is allowed, or the least that is asked for."""

    @property
    def reached(self) -> bool | None:
        """None where it was not measured."""
        if self.value is None:
            return None
        return self.value <= self.bound if self.is_most else self.value >= self.bound

    def line(self) -> str:
        """For a person."""
        word = {True: "reached", False: "NOT REACHED", None: "not measured"}[self.reached]
        value = "-" if self.value is None else f"{self.value:.2f}"
        return f"{self.what}: {value} ({'at most' if self.is_most else 'at least'} {self.bound:g}): {word}"


def verdicts(document: Mapping[str, Any]) -> list[Verdict]:
    """Every target, from the figures of one run."""
    rows, crowds = document["rows"], document.get("crowds", [])
    of = {way: median(rows, way, SESSION) for way in (BARE, KERNEL, SCRIPTS, USER)}
    idle = document.get("density", {}).get(USER, {}).get("idle", {})
    most = max(crowds, key=lambda one: one["concurrent"], default=None)
    soak = document.get("soak")
    return [
        Verdict("session of 6 cells over bare exec", _ratio(of[USER], of[BARE]), 1.6, True),
        Verdict("a Jupyter kernel's session over it", _ratio(of[KERNEL], of[USER]), 70, False),
        Verdict("re-running scripts per step over it", _ratio(of[SCRIPTS], of[USER]), 200, False),
        Verdict("trivial step on an open session, ms", median(rows, USER, TRIVIAL), 0.25, True),
        Verdict("first result of a session kept ready, ms", median(rows, USER, START), 2.0, True),
        Verdict("idle sessions per GiB", idle.get("per_gib"), 700, False),
        Verdict(
            "docker's start over process's", _ratio(median(rows, DOCKER, START), median(rows, USER, START)), 3, True
        ),
        Verdict(
            "a cold kernel with imports over a forked one",
            _ratio(median(rows, KERNEL, IMPORTED), median(rows, JUPYTER, START)), 4, False,
        ),
        Verdict(
            f"failures with {most['concurrent'] if most else 256} sessions alive at once",
            None if most is None else float(most["failures"]), 0, True,
        ),
        Verdict("leaks and growing costs in the soak", None if soak is None else float(len(soak["problems"])), 0, True),
    ]  # fmt: skip


def as_data(judged: list[Verdict]) -> list[dict[str, Any]]:
    """For JSON."""
    return [{**asdict(one), "reached": one.reached} for one in judged]


def _ratio(over: float | None, under: float | None) -> float | None:
    return None if over is None or not under else over / under


COLUMNS: Final = (SESSION, START, TRIVIAL, LOGREG)
"""Shown of every way."""
