"""The `board` commands' work: board and score files in, plain dictionaries ready for JSON out."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Final

from sandmle.core.engine.board_cells import BoardColumn, Number
from sandmle.core.engine.board_csv import BoardTable, parse_board
from sandmle.core.engine.boards import (
    MedalRule,
    PositionBoard,
    above_median,
    medal_of,
    medal_rule,
    round_score,
)
from sandmle.core.errors import BoardError, nearest
from sandmle.core.types.score import Direction, Medal

JsonObject = dict[str, object]

_LFS_POINTER: Final = b"version https://git-lfs.github.com/spec/"
_NAMED: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def read_board(path: Path) -> BoardTable:
    """Read a board file.

    Raises:
        BoardError: it cannot be read, or not as a board.
    """
    try:
        content = path.read_bytes()
    except OSError as problem:
        raise BoardError(f"cannot read the board {path}: {problem.strerror}") from problem
    if is_lfs_pointer(content):
        raise BoardError(f"{path} is a Git LFS pointer, not the board itself; run `git lfs pull` in its repository")
    try:
        return parse_board(content)
    except BoardError as problem:
        raise BoardError(f"{path}: {problem}") from problem


def is_lfs_pointer(content: bytes) -> bool:
    """Whether this is what Git LFS leaves in a file's place until it is pulled."""
    return content.startswith(_LFS_POINTER)


def score_column(table: BoardTable) -> BoardColumn:
    """The column MLE-bench ranks by: the one named `score`.

    Raises:
        BoardError: there is none.
    """
    if "score" not in table.header:
        raise BoardError(f"the board has no column named 'score'; {nearest('score', list(table.header))}")
    return table.column(table.header.index("score"))


def second_column(table: BoardTable) -> BoardColumn:
    """The column MLE-Dojo ranks by: the second, whatever its name.

    Raises:
        BoardError: there is only one.
    """
    if len(table.header) < 2:
        raise BoardError("the board has one column; scores are read from the second")
    return table.column(1)


def read_scores(path: Path) -> tuple[Number | None, ...]:
    """Read a scores file: a JSON list of numbers, null, "NaN", "Infinity" and "-Infinity".

    Raises:
        BoardError: it cannot be read, is not JSON, or holds something else.
    """
    try:
        entries = json.loads(path.read_bytes())
    except OSError as problem:
        raise BoardError(f"cannot read the scores file {path}: {problem.strerror}") from problem
    except (ValueError, RecursionError) as problem:
        raise BoardError(f"the scores file {path} is not JSON: {problem}") from problem
    if not isinstance(entries, list):
        raise BoardError(f"the scores file {path} must hold a JSON list, such as [0.5, null]")
    return tuple(_score(entry, index, path) for index, entry in enumerate(entries))


def _score(entry: object, index: int, path: Path) -> Number | None:
    if entry is None or (isinstance(entry, int | float) and not isinstance(entry, bool)):
        return entry
    if isinstance(entry, str) and entry in _NAMED:
        return _NAMED[entry]
    raise BoardError(
        f"entry {index} of the scores file {path} is {json.dumps(entry)[:60]}: it must be a number, null, "
        '"NaN", "Infinity" or "-Infinity"'
    )


def medal_report(board_path: Path, scores_path: Path, *, rounded: str = "none") -> JsonObject:
    """Medals of given scores on an MLE-bench board.

    Args:
        board_path: the board.
        scores_path: the scores.
        rounded: `none` takes scores as given; `python` or `numpy` rounds them to five decimals first, as MLE-bench
            does with what a grader returns, by the rule of its type (`boards.round_score`).

    Returns:
        `{n_teams, lower_is_better, thresholds: {gold, silver, bronze, median}, results: [{score, gold_medal,
        silver_medal, bronze_medal, above_median}]}`, where NaN and infinities are written as in the scores file.

    Raises:
        BoardError: the board or the scores file cannot be used (wherever MLE-bench itself would fail, too).
    """
    scores = tuple(round_score(score, rounded) for score in read_scores(scores_path))
    table = read_board(board_path)
    try:
        rule = medal_rule(score_column(table))
    except BoardError as problem:
        raise BoardError(f"{board_path}: {problem}") from problem
    return {
        "n_teams": rule.n_teams,
        "lower_is_better": rule.lower_is_better,
        "thresholds": {name: _for_json(value) for name, value in asdict(rule.thresholds).items()},
        "results": [_medal_result(score, rule) for score in scores],
    }


def _medal_result(score: Number | None, rule: MedalRule) -> JsonObject:
    medal = medal_of(score, rule.thresholds, rule.direction)
    return {
        "score": _for_json(score),
        "gold_medal": medal is Medal.GOLD,
        "silver_medal": medal is Medal.SILVER,
        "bronze_medal": medal is Medal.BRONZE,
        "above_median": above_median(score, rule.thresholds, rule.direction),
    }


def human_rank_report(private: Path | None, public: Path | None, direction: Direction, scores_path: Path) -> JsonObject:
    """Places of given scores on MLE-Dojo boards. A board that does not exist is left out.

    Returns:
        `{results: [{score, private: {position, total, position_score}, public: {...}, avg_score} |
        {score, error}]}`; `avg_score` is left out when there is no board.

    Raises:
        BoardError: the scores file cannot be used. A board that cannot be used is an `error` of each result.
    """
    scores = read_scores(scores_path)
    try:
        boards = {
            name: PositionBoard(second_column(read_board(path)), direction)
            for name, path in (("private", private), ("public", public))
            if path is not None and path.exists()
        }
    except BoardError as problem:
        return {"results": [{"score": _for_json(s), "error": str(problem)} for s in scores]}
    return {"results": [_rank_result(score, boards) for score in scores]}


def _rank_result(score: Number | None, boards: Mapping[str, PositionBoard]) -> JsonObject:
    result: JsonObject = {"score": _for_json(score)}
    total = 0.0
    for name, board in boards.items():
        try:
            place = board.place(score)
        except BoardError as problem:
            return {"score": _for_json(score), "error": f"{name} board: {problem}"}
        result[name] = asdict(place)
        total += place.position_score
    if boards:
        result["avg_score"] = total / len(boards)
    return result


def _for_json(value: Number | None) -> Number | str | None:
    """A number as valid JSON holds it: NaN and the infinities by name."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value
