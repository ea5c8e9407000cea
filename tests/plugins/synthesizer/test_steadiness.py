"""How alike two halves of the rows rank a board's members: arithmetic on scores made up here."""

import pytest

from sandmle.core.types.score import Direction
from sandmle.plugins.synthesizer.steadiness import steadiness

NAMES = [f"member-{number}" for number in range(8)]


def test_halves_that_agree_give_one_in_either_direction():
    scores = {name: float(at) for at, name in enumerate(NAMES)}
    halves = {name: (at, at * 2, at - 1, at + 5) for at, name in enumerate(NAMES)}
    for direction in Direction:
        assert steadiness(halves, scores, direction) == {"whole": pytest.approx(1), "top": pytest.approx(1)}


def test_the_top_is_the_better_half_by_the_metrics_direction():
    scores = {name: float(at) for at, name in enumerate(NAMES)}
    # The four of the lowest scores change places among themselves, the others keep theirs.
    halves = {name: (float(at), float(3 - at if at < 4 else at)) for at, name in enumerate(NAMES)}
    assert steadiness(halves, scores, Direction.MAXIMIZE)["top"] == pytest.approx(1)
    assert steadiness(halves, scores, Direction.MINIMIZE)["top"] == pytest.approx(-1)


def test_a_halving_that_leaves_a_score_undefined_is_left_out():
    scores = {name: float(at) for at, name in enumerate(NAMES)}
    halves = {name: (float(at), float(at), None if at == 2 else 1.0, 2.0) for at, name in enumerate(NAMES)}
    assert steadiness(halves, scores, Direction.MAXIMIZE)["whole"] == pytest.approx(1)
    nothing = {name: (None, None) for name in NAMES}
    assert steadiness(nothing, scores, Direction.MAXIMIZE) == {"whole": 0.0, "top": 0.0}
