"""One number per episode, and how the numbers lie by family and task."""

import math
from dataclasses import replace

from sandmle.core.engine.measures import MEASURES, tree
from sandmle.core.types.episode import Outcome
from sandmle.core.types.score import Medal, Thresholds


def test_each_measure_of_a_medal_and_of_nothing(make_episode):
    won, lost = make_episode(medal=Medal.GOLD, human_rank=0.9), make_episode(outcome=Outcome.UNSCORED, reward=0.0)
    assert {name: measure(won) for name, measure in MEASURES.items()} == {
        "valid": 1.0,
        "any_medal": 1.0,
        "gold": 1.0,
        "silver": 0.0,
        "bronze": 0.0,
        "above_median": 1.0,
        "human_rank": 0.9,
        "reward": 0.7,
    }
    assert {measure(lost) for measure in MEASURES.values()} == {0.0}


def test_a_task_without_thresholds_awards_no_medals(make_episode):
    nan = math.nan
    episode = replace(make_episode(), thresholds=Thresholds(gold=nan, silver=nan, bronze=nan, median=nan))
    assert [MEASURES[name](episode) for name in ("any_medal", "gold", "above_median")] == [None, None, None]
    assert MEASURES["human_rank"](episode) == 0.5


def test_episodes_stand_in_slot_order_whatever_order_they_were_recorded_in(make_episode):
    episodes = [make_episode(slot=slot, human_rank=slot / 10) for slot in (2, 0, 1)]
    assert tree(episodes, "human_rank", {"a": "rings"}) == {"rings": {"a": [0.0, 0.1, 0.2]}}


def test_what_the_infrastructure_failed_and_unknown_families_are_told_apart(make_episode):
    episodes = [
        make_episode(task_id="a"),
        make_episode(task_id="b", outcome=Outcome.INFRASTRUCTURE),
        make_episode(task_id="c", reward=math.nan),
    ]
    assert tree(episodes, "human_rank", {}) == {"unknown, of a": {"a": [0.5]}, "unknown, of c": {"c": [0.5]}}
    assert tree(episodes, "reward", {}) == {"unknown, of a": {"a": [0.7]}}
