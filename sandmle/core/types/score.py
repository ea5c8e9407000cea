"""Scores, medals and boards as values. The rules that compute them stand in `engine/boards.py`."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Direction(StrEnum):
    """Which way a metric is better."""

    MAXIMIZE = "max"
    MINIMIZE = "min"

    def better(self, a: float, b: float) -> bool:
        """Whether `a` is strictly better than `b` (False when either is NaN)."""
        return a > b if self is Direction.MAXIMIZE else a < b


class Prediction(StrEnum):
    """What a submission's target columns hold."""

    VALUE = "value"
    """A real number; several, one per column, where a task asks for several."""
    LABEL = "label"
    """One of the classes, as written in the training file."""
    PROBABILITY = "probability"
    """P(positive class) in one column, or one column per class named after it."""
    LABELS = "labels"
    """One column per label, each holding P(the row has that label): any number of them may apply to a row."""


class Medal(StrEnum):
    """What a score earns by MLE-bench's rule; a score has exactly one."""

    GOLD = "gold"
    SILVER = "silver"
    BRONZE = "bronze"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A named metric: its direction and what it scores. The catalogue is in `types/metrics.py`."""

    name: str
    direction: Direction
    prediction: Prediction
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Scores at which a medal is earned (inclusive), and the board's median."""

    gold: float
    silver: float
    bronze: float
    median: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Grade:
    """The typed verdict on one submission. `problem` is None exactly when it is valid."""

    valid: bool
    score: float | None
    """Raw metric on the private-board rows; None when invalid."""
    public_score: float | None
    """Raw metric on the public-board rows; None when invalid."""
    medal: Medal
    above_median: bool
    """Strictly better than the board's median, as in MLE-bench."""
    human_rank: float | None
    """MLE-Dojo's position score on the private board, in [0, 1]; None when invalid."""
    problem: str | None
    """Why it is invalid, in words the agent can act on."""
    report: Mapping[str, Any] | None = None
    """The verdict in the words of the benchmark that gave it, where that is not our own grader; fit for JSON."""
