"""Medals as MLE-bench gives them and HumanRank as MLE-Dojo gives it: pure arithmetic on board scores.

Sources: MLE-bench `mlebench/grade_helpers.py` (thresholds from the number of teams, kaggle.com/progression) and
MLE-Dojo `mledojo/gym/interface.py` (position score). Both are followed for every input, odd ones included.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sandmle.core.engine.board_cells import BoardColumn, ColumnKind, Number
from sandmle.core.errors import BoardError
from sandmle.core.types.score import Direction, Medal, Thresholds

SCORE_DECIMALS: Final = 5
"""MLE-bench rounds a score to this many decimals before it is ranked, and so do synthetic tasks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MedalRule:
    """What one board asks for a medal."""

    n_teams: int
    lower_is_better: bool
    thresholds: Thresholds

    @property
    def direction(self) -> Direction:
        """The direction the board's own order says."""
        return Direction.MINIMIZE if self.lower_is_better else Direction.MAXIMIZE


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A place on one board. `position` is `total + 1` for a score worse than every entry."""

    position: int
    total: int
    position_score: float
    """(total - position + 1) / total, in [0, 1]: the share of entries that are not strictly better."""


def medal_positions(n_teams: int) -> tuple[int, int, int]:
    """1-based board rows of the gold, silver and bronze thresholds (MLE-bench, kaggle.com/progression).

    Raises:
        BoardError: there are no teams.
    """
    if n_teams < 1:
        raise BoardError("the board has no teams: medals need at least one row")
    if n_teams < 100:
        return tuple(max(1, int(n_teams * share)) for share in (0.1, 0.2, 0.4))  # type: ignore[return-value]
    if n_teams < 250:
        return 10, int(n_teams * 0.2), int(n_teams * 0.4)
    gold = 10 + int(n_teams * 0.002)
    if n_teams < 1000:
        return gold, 50, 100
    return gold, int(n_teams * 0.05), int(n_teams * 0.1)


def medal_rule(board: BoardColumn) -> MedalRule:
    """Thresholds of a board as stored: its rows are not sorted, and missing rows count as teams.

    Lower is better exactly when the first score is less than the last.

    Raises:
        BoardError: no teams, text among the scores, or a threshold that is no float.
    """
    if board.kind is ColumnKind.TEXT:
        raise BoardError("the board's score column holds text that is not a number")
    scores, n_teams = board.values, board.n_rows
    gold, silver, bronze = medal_positions(n_teams)
    try:
        thresholds = Thresholds(
            gold=float(scores[gold - 1]),
            silver=float(scores[silver - 1]),
            bronze=float(scores[bronze - 1]),
            median=_median([float(score) for score in scores]),
        )
    except OverflowError as problem:
        raise BoardError("the board holds an integer too large for a float") from problem
    return MedalRule(n_teams=n_teams, lower_is_better=scores[0] < scores[-1], thresholds=thresholds)


def _median(scores: Sequence[float]) -> float:
    # pandas' median: missing values are left out, and of an even number the middle two are averaged.
    present = sorted(score for score in scores if not math.isnan(score))
    if not present:
        return math.nan
    middle = len(present) // 2
    if len(present) % 2:
        return present[middle]
    return (present[middle - 1] + present[middle]) / 2


def round_score(score: Number | None, manner: str) -> Number | None:
    """A score as MLE-bench rounds it before it is ranked, which depends on the type that a grader returns.

    Args:
        score: what the grader returned.
        manner: `none`; `python` for a float or an integer; `numpy` for a float64, which is scaled, rounded to even and
            scaled back, and so comes to another number for one score in some thousands.

    >>> round_score(0.123455, "python"), round_score(0.123455, "numpy")
    (0.12345, 0.12346)
    """
    if score is None or manner == "none":
        return score
    # An integer has nothing to round, and may be larger than any float.
    if isinstance(score, int) or not math.isfinite(score):
        return score
    if manner == "python":
        return round(score, SCORE_DECIMALS)
    scaled = score * 10**SCORE_DECIMALS
    # numpy gives an infinity back where the scaling overflows, and rounding it is then no number of Python's.
    return round(scaled) / 10**SCORE_DECIMALS if math.isfinite(scaled) else scaled


def medal_of(score: Number | None, thresholds: Thresholds, direction: Direction) -> Medal:
    """The best medal whose threshold the score reaches (inclusive). None and NaN reach nothing."""
    if score is None:
        return Medal.NONE
    for medal, threshold in (
        (Medal.GOLD, thresholds.gold),
        (Medal.SILVER, thresholds.silver),
        (Medal.BRONZE, thresholds.bronze),
    ):
        if score >= threshold if direction is Direction.MAXIMIZE else score <= threshold:
            return medal
    return Medal.NONE


def above_median(score: Number | None, thresholds: Thresholds, direction: Direction) -> bool:
    """Whether the score is strictly better than the board's median, as in MLE-bench."""
    return score is not None and direction.better(score, thresholds.median)


class PositionBoard:
    """A board sorted once, to place any number of scores on.

    The order of the file matters only when it holds missing values: Python's sort then depends on the order it
    is given, and MLE-Dojo uses Python's sort.
    """

    def __init__(self, board: BoardColumn, direction: Direction) -> None:
        """Sort the board.

        Raises:
            BoardError: no rows, or text among the scores.
        """
        if board.kind is ColumnKind.TEXT:
            raise BoardError("the board's second column holds text that is not a number")
        if not board.n_rows:
            raise BoardError("the board has no rows")
        self._kind = board.kind
        self._direction = direction
        self._ordered = sorted(board.values, reverse=direction is Direction.MAXIMIZE)

    def place(self, score: Number | None) -> Position:
        """The first place whose entry the score equals or beats.

        Raises:
            BoardError: the score is None, or an integer too large to compare with this board.
        """
        if score is None:
            raise BoardError("a missing score (null) has no place on a board")
        try:
            mine, entries = self._comparable(score)
        except OverflowError as problem:
            raise BoardError("the score is an integer too large to compare") from problem
        higher = self._direction is Direction.MAXIMIZE
        total = len(entries)
        position = total + 1
        for place, entry in enumerate(entries, 1):
            if mine >= entry if higher else mine <= entry:
                position = place
                break
        return Position(position=position, total=total, position_score=(total - position + 1) / total)

    def _comparable(self, score: Number) -> tuple[Number, Sequence[Number]]:
        # numpy compares a 64-bit entry with a Python number in the entry's own type where it can.
        if self._kind is ColumnKind.INTEGER and isinstance(score, float):
            return score, [float(entry) for entry in self._ordered]
        if self._kind is ColumnKind.FLOAT:
            return float(score), self._ordered
        if self._kind is ColumnKind.BOOLEAN and not -(2**63) <= score < 2**63 and isinstance(score, int):
            raise OverflowError
        return score, self._ordered
