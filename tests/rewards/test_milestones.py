from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandmle.core.types.episode import Episode, Outcome, Timings
from sandmle.core.types.message import Message, ModelReply, Usage
from sandmle.core.types.reward import PRESETS
from sandmle.core.types.sandbox import CellStatus, IsolationLevel
from sandmle.core.types.score import Direction, Grade, Medal, Thresholds
from sandmle.core.types.trajectory import (
    Action,
    ActionKind,
    FeedbackMode,
    Observation,
    Segment,
    Step,
    StopReason,
    Trajectory,
    TranscriptEntry,
)
from sandmle.rewards.milestones import milestones
from sandmle.rewards.plugin import SUMMARIES, sandmle_register_milestones

BY_NAME = {one.name: one for one in milestones()}
TIERS = [Medal.NONE, Medal.BRONZE, Medal.SILVER, Medal.GOLD]


def grade(score=0.3, medal=Medal.BRONZE, valid=True):
    return Grade(
        valid=valid,
        score=score if valid else None,
        public_score=score if valid else None,
        medal=medal,
        above_median=False,
        human_rank=0.5 if valid else None,
        problem=None if valid else "empty",
    )


def episode(*replies, verdict=None, cells=(CellStatus.OK,), direction=Direction.MINIMIZE):
    entries = tuple(
        TranscriptEntry(
            message=Message(role="assistant", content=text), reply=ModelReply(text=text), turn=turn
        )
        for turn, text in enumerate(replies)
    )  # fmt: skip
    steps = tuple(
        Step(
            action=Action(kind=ActionKind.RUN_CODE, code="1"),
            observation=Observation(text="Score: 0.0, gold", cell=cell),
            turn=0,
            wall_s=0.0,
        )
        for cell in cells
    )
    return Episode(
        episode_id="a/0",
        task_id="a",
        slot=0,
        outcome=Outcome.SCORED if verdict and verdict.valid else Outcome.UNSCORED,
        stop_reason=StopReason.FINISHED,
        model="m",
        scaffold="s",
        sandbox="b",
        level=IsolationLevel.L2,
        feedback=FeedbackMode.FULL,
        policy_version=0,
        trajectory=Trajectory(segments=(Segment(entries=entries),), steps=steps),
        grade=verdict,
        thresholds=Thresholds(gold=0.1, silver=0.2, bronze=0.4, median=0.5),
        direction=direction,
        reward=None,
        usage=Usage(),
        timings=Timings(),
        attempts=1,
        failure=None,
        started_at="2026-01-01",
    )


def value(name, of):
    return BY_NAME[name].value(of)


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("<think>plan</think><code>1</code>", True),
        ("  \n<think>plan</think>", True),
        ("<think> \n </think>", False),
        ("<think>never closed", False),
        ("first <think>plan</think>", False),
        ("", False),
    ],
)
def test_format_wants_a_thought_first_closed_and_not_blank(text, counts):
    assert value("format", episode(text)) == float(counts)


def test_format_is_the_share_of_replies_and_zero_without_any():
    assert value("format", episode("<think>a</think>", "b", "<think>c</think>", "d")) == 0.5
    assert value("format", episode()) == 0.0


def test_execute_wants_a_cell_without_an_error_and_a_valid_submission():
    assert value("execute", episode(verdict=grade())) == 1.0
    assert value("execute", episode(verdict=grade(), cells=(CellStatus.ERROR,))) == 0.0
    assert value("execute", episode(verdict=grade(valid=False))) == 0.0
    assert value("execute", episode()) == 0.0


def test_valid_is_about_the_final_submission():
    assert value("valid", episode(verdict=grade())) == 1.0
    assert value("valid", episode(verdict=grade(valid=False))) == 0.0
    assert value("valid", episode()) == 0.0


@pytest.mark.parametrize(
    ("score", "direction", "reached"),
    [
        (0.5, Direction.MINIMIZE, 1.0),
        (0.5, Direction.MAXIMIZE, 1.0),
        (0.49, Direction.MINIMIZE, 1.0),
        (0.49, Direction.MAXIMIZE, 0.0),
        (0.51, Direction.MINIMIZE, 0.0),
        (0.51, Direction.MAXIMIZE, 1.0),
    ],
)
def test_the_median_is_inclusive(score, direction, reached):
    assert value("median", episode(verdict=grade(score, Medal.NONE), direction=direction)) == reached


def test_medals_are_cumulative():
    reached = {
        tier: [value(name, episode(verdict=grade(medal=tier))) for name in ("bronze", "silver", "gold")]
        for tier in TIERS
    }
    assert reached == {
        Medal.NONE: [0, 0, 0],
        Medal.BRONZE: [1, 0, 0],
        Medal.SILVER: [1, 1, 0],
        Medal.GOLD: [1, 1, 1],
    }


def test_a_score_claimed_in_the_conversation_earns_nothing():
    claimed = episode("<think>x</think>Score: 0.0, medal: gold")
    assert [value(name, claimed) for name in ("valid", "median", "bronze", "silver", "gold")] == [0] * 5


def test_the_plugin_registers_exactly_these_milestones():
    specs = sandmle_register_milestones()
    assert [spec.name for spec in specs] == list(BY_NAME) == list(SUMMARIES)
    assert all(spec.make(spec.config()).name == spec.name for spec in specs)


def test_built_in_presets_use_built_in_milestones_and_sum_to_one():
    for weights in PRESETS.values():
        assert set(weights) <= set(BY_NAME)
        assert sum(weights.values()) == pytest.approx(1)


@given(
    preset=st.sampled_from(sorted(PRESETS)),
    score=st.floats(0, 1),
    replies=st.lists(st.sampled_from(["<think>a</think>", "b"]), max_size=4),
)
def test_a_better_medal_never_pays_less_and_every_reward_is_within_bounds(preset, score, replies):
    def reward(verdict):
        of = replace(episode(*replies), grade=verdict)
        return sum(weight * value(name, of) for name, weight in PRESETS[preset].items())

    paid = [reward(None), reward(grade(valid=False, medal=Medal.NONE)), *(reward(grade(score, one)) for one in TIERS)]
    assert paid == sorted(paid)
    assert all(0 <= one <= 1 + 1e-9 for one in paid)
