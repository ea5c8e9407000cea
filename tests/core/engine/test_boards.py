"""Medal and HumanRank arithmetic."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandmle.core.engine.board_cells import BoardColumn, ColumnKind
from sandmle.core.engine.boards import PositionBoard, above_median, medal_of, medal_positions, medal_rule
from sandmle.core.errors import BoardError
from sandmle.core.types.score import Direction, Medal, Thresholds

MEDAL_ORDER = [Medal.NONE, Medal.BRONZE, Medal.SILVER, Medal.GOLD]
finite = st.floats(allow_nan=False, allow_infinity=False, width=32)
entries = st.one_of(finite, st.just(math.nan), st.sampled_from([math.inf, -math.inf]))


def board(*values: float) -> BoardColumn:
    return BoardColumn(kind=ColumnKind.FLOAT, values=values, n_rows=len(values))


@pytest.mark.parametrize(
    ("n_teams", "positions"),
    [
        (1, (1, 1, 1)),
        (9, (1, 1, 3)),
        (10, (1, 2, 4)),
        (99, (9, 19, 39)),
        (100, (10, 20, 40)),
        (249, (10, 49, 99)),
        (250, (10, 50, 100)),
        (999, (11, 50, 100)),
        (1000, (12, 50, 100)),
        (4999, (19, 249, 499)),
    ],
)
def test_medal_positions_follow_the_number_of_teams(n_teams: int, positions: tuple[int, int, int]):
    assert medal_positions(n_teams) == positions


@given(st.integers(1, 6000))
def test_medal_positions_lie_on_the_board_in_order(n_teams: int):
    gold, silver, bronze = medal_positions(n_teams)
    assert 1 <= gold <= silver <= bronze <= n_teams


def test_rows_are_not_sorted_before_thresholds_are_taken():
    rule = medal_rule(board(0.1, 0.9, 0.5))
    assert rule.lower_is_better
    assert rule.thresholds == Thresholds(gold=0.1, silver=0.1, bronze=0.1, median=0.5)


def test_equal_ends_mean_that_higher_is_better():
    assert not medal_rule(board(0.5, 0.1, 0.5)).lower_is_better


def test_missing_rows_count_as_teams_but_not_for_the_median():
    rule = medal_rule(board(*[0.9] * 5, *[math.nan] * 6, 0.1))
    assert rule.n_teams == 12
    assert math.isnan(medal_rule(board(math.nan, 0.2)).thresholds.gold)
    assert rule.thresholds.median == 0.9


@pytest.mark.parametrize("kind", [ColumnKind.TEXT, ColumnKind.FLOAT])
def test_a_board_without_teams_or_with_text_has_no_medals_and_no_positions(kind: ColumnKind):
    empty = BoardColumn(kind=kind, values=(), n_rows=0 if kind is ColumnKind.FLOAT else 3)
    with pytest.raises(BoardError):
        medal_rule(empty)
    with pytest.raises(BoardError):
        PositionBoard(empty, Direction.MAXIMIZE)


def test_medals_are_inclusive_and_the_median_is_strict():
    thresholds = Thresholds(gold=0.9, silver=0.8, bronze=0.7, median=0.5)
    assert medal_of(0.9, thresholds, Direction.MAXIMIZE) is Medal.GOLD
    assert medal_of(0.8, thresholds, Direction.MAXIMIZE) is Medal.SILVER
    assert not above_median(0.5, thresholds, Direction.MAXIMIZE)
    assert above_median(0.6, thresholds, Direction.MAXIMIZE)


@pytest.mark.parametrize("score", [None, math.nan])
def test_a_missing_score_earns_nothing(score: float | None):
    thresholds = Thresholds(gold=-math.inf, silver=0.8, bronze=0.7, median=0.5)
    assert medal_of(score, thresholds, Direction.MAXIMIZE) is Medal.NONE
    assert not above_median(score, thresholds, Direction.MAXIMIZE)


@given(st.lists(finite, min_size=1, max_size=300), finite, finite, st.sampled_from(Direction))
def test_a_better_score_never_gets_a_worse_medal(scores: list[float], one: float, other: float, direction: Direction):
    rule = medal_rule(board(*sorted(scores, reverse=direction is Direction.MAXIMIZE)))
    better, worse = (one, other) if direction.better(one, other) else (other, one)
    medals = [MEDAL_ORDER.index(medal_of(score, rule.thresholds, direction)) for score in (worse, better)]
    assert medals == sorted(medals)


@given(st.lists(finite, min_size=1, max_size=300), st.sampled_from(Direction))
def test_thresholds_of_a_sorted_board_are_ordered(scores: list[float], direction: Direction):
    line = medal_rule(board(*sorted(scores, reverse=direction is Direction.MAXIMIZE))).thresholds
    assert not direction.better(line.silver, line.gold)
    assert not direction.better(line.bronze, line.silver)


@given(st.lists(entries, min_size=1, max_size=60), entries, st.sampled_from(Direction))
def test_a_position_score_lies_between_0_and_1(scores: list[float], score: float, direction: Direction):
    place = PositionBoard(board(*scores), direction).place(score)
    assert 1 <= place.position <= place.total + 1
    assert 0.0 <= place.position_score <= 1.0


@given(st.lists(finite, min_size=1, max_size=60), finite, st.sampled_from(Direction))
def test_a_position_score_is_the_share_of_entries_that_are_not_strictly_better(
    scores: list[float], score: float, direction: Direction
):
    place = PositionBoard(board(*scores), direction).place(score)
    assert place.position == 1 + sum(direction.better(entry, score) for entry in scores)


@given(st.lists(finite, min_size=1, max_size=60), finite, finite, st.sampled_from(Direction))
def test_a_better_score_never_gets_a_worse_position(
    scores: list[float], one: float, other: float, direction: Direction
):
    placed = PositionBoard(board(*scores), direction)
    better, worse = (one, other) if direction.better(one, other) else (other, one)
    assert placed.place(better).position_score >= placed.place(worse).position_score


def test_a_tie_gets_the_best_place_of_its_group_and_the_worst_gets_none():
    placed = PositionBoard(board(0.9, 0.5, 0.5, 0.1), Direction.MAXIMIZE)
    assert (placed.place(0.5).position, placed.place(0.1).position_score) == (2, 0.25)
    assert (placed.place(0.0).position, placed.place(0.0).position_score) == (5, 0.0)


def test_a_nan_score_comes_after_everyone():
    place = PositionBoard(board(0.9, 0.5), Direction.MINIMIZE).place(math.nan)
    assert (place.position, place.position_score) == (3, 0.0)


def test_missing_entries_are_sorted_in_file_order_as_python_sorts_them():
    # With NaN the outcome depends on the order of the rows: the same values in another order differ.
    first = PositionBoard(board(0.2, math.nan, 0.9), Direction.MAXIMIZE).place(0.5)
    second = PositionBoard(board(0.9, math.nan, 0.2), Direction.MAXIMIZE).place(0.5)
    assert (first.position, second.position) == (1, 3)


def test_a_null_score_has_no_place():
    with pytest.raises(BoardError, match="null"):
        PositionBoard(board(0.5), Direction.MAXIMIZE).place(None)


def test_wide_integers_are_compared_as_the_peers_compare_them():
    column = BoardColumn(kind=ColumnKind.INTEGER, values=(2**53 + 1,), n_rows=1)
    placed = PositionBoard(column, Direction.MAXIMIZE)
    assert placed.place(float(2**53)).position == 1
    assert placed.place(2**53).position == 2
