import math
from dataclasses import replace

import pytest

from sandmle.core.engine.evaluation import estimate, failure_counts, failure_rates, summarize
from sandmle.core.engine.store import FailureRecord
from sandmle.core.engine.summary import agent_line
from sandmle.core.types.episode import Outcome
from sandmle.core.types.score import Medal, Thresholds


def failure(after):
    return FailureRecord(task_id="a", slot=0, attempt=1, kind="SandboxError", error="x", after=after, at="")


def test_an_estimate_averages_within_tasks_and_then_over_them():
    found = estimate({"a": [1, 1, 1, 1], "b": [0]})
    assert (found.mean, found.tasks) == (0.5, 2)
    assert (found.low, found.high) == (0, 1)


def test_the_interval_holds_the_mean_narrows_with_tasks_and_is_always_the_same():
    few = estimate({str(task): [task % 2] for task in range(6)})
    many = estimate({str(task): [task % 2] for task in range(60)})
    assert few.low < few.mean < few.high
    assert many.high - many.low < few.high - few.low
    assert few == estimate({str(task): [task % 2] for task in reversed(range(6))})


def test_without_a_value_an_estimate_is_nan_over_no_task():
    found = estimate({"a": []})
    assert math.isnan(found.mean)
    assert found.tasks == 0


def test_medals_are_counted_by_kind_and_invalid_counts_zero_in_human_rank(make_episode):
    episodes = [
        make_episode(task_id="a", slot=0, medal=Medal.GOLD, human_rank=1.0, reward=1.0),
        make_episode(task_id="a", slot=1, outcome=Outcome.UNSCORED, reward=0.1),
        make_episode(task_id="b", slot=0, medal=Medal.BRONZE, human_rank=0.6, reward=0.8),
        make_episode(task_id="b", slot=1, medal=Medal.NONE, above_median=False, human_rank=0.2, reward=0.3),
    ]
    (found,) = summarize(episodes)
    means = {name: getattr(found, name).mean for name in ("valid", "any_medal", "gold", "silver", "bronze")}
    assert means == {"valid": 0.75, "any_medal": 0.5, "gold": 0.25, "silver": 0.0, "bronze": 0.25}
    assert found.above_median.mean == 0.5
    assert found.human_rank.mean == pytest.approx((0.5 + 0.4) / 2)
    assert found.reward.mean == pytest.approx((0.55 + 0.55) / 2)
    assert (found.episodes, found.infrastructure_rate) == (4, 0)


def test_what_the_infrastructure_failed_changes_no_mean_and_shows_in_the_rate(make_episode):
    good = make_episode(slot=0, medal=Medal.GOLD, human_rank=1.0)
    (found,) = summarize([good, make_episode(slot=1, outcome=Outcome.INFRASTRUCTURE)])
    assert (found.gold.mean, found.valid.mean, found.human_rank.mean) == (1, 1, 1)
    assert found.infrastructure_rate == 0.5


def test_agents_and_modes_are_kept_apart(make_episode):
    found = summarize([make_episode(model="m2"), make_episode(model="m1"), make_episode(model="m1", scaffold="aide")])
    assert [(one.model, one.scaffold) for one in found] == [("m1", "aide"), ("m1", "puppet"), ("m2", "puppet")]
    assert summarize([]) == []


def test_infrastructure_failures_are_counted_and_rated_by_the_action_before_them(make_episode):
    failures = [failure("run_code"), failure("run_code"), failure("none")]
    assert failure_counts(failures) == {"none": 1, "run_code": 2}
    episodes = [make_episode(slot=0), make_episode(slot=1), make_episode(slot=2, outcome=Outcome.INFRASTRUCTURE)]
    assert failure_rates(failures, episodes) == {"none": 0.2, "run_code": 0.5}


def test_a_task_that_awards_no_medals_has_no_part_in_medal_rates_but_in_human_rank(make_episode):
    nothing = Thresholds(gold=math.nan, silver=math.nan, bronze=math.nan, median=math.nan)
    unawarded = replace(make_episode(task_id="b", medal=Medal.NONE, human_rank=0.5), thresholds=nothing)
    (found,) = summarize([make_episode(task_id="a", medal=Medal.GOLD, human_rank=1.0), unawarded])
    assert (found.any_medal.mean, found.any_medal.tasks) == (1.0, 1)
    assert (found.human_rank.mean, found.human_rank.tasks) == (0.75, 2)
    assert "medals over the 1 of 2 tasks that award them" in agent_line(found)
