import math

import pytest


def rows(rate, *, tasks=12, families=4, episodes=5):
    """Each task's first episodes win, as many as the rate says."""
    from learning_parts.figures import Played

    return [
        Played(
            family=f"family-{task % families}",
            task_id=f"task-{task}",
            medal=float(episode < rate * episodes),
            valid=1.0,
            human_rank=rate,
        )
        for task in range(tasks)
        for episode in range(episodes)
    ]


def of(judged, base):
    return next(one for one in judged if one["over"] == base)


def test_a_gain_over_sft_counts_only_when_it_is_as_large_as_asked_for():
    from learning_parts.judging import verdicts

    small = verdicts({"grpo-lora": rows(0.6), "sft": rows(0.4)})
    large = verdicts({"grpo-lora": rows(1.0), "sft": rows(0.4)})
    assert of(small, "sft")["relative"] == pytest.approx(0.5)
    assert not of(small, "sft")["reached"]
    assert of(large, "sft")["reached"]


def test_a_gain_within_its_interval_is_not_reached_and_what_was_not_played_is_neither():
    from learning_parts.judging import TEACHER, verdicts

    judged = verdicts({"grpo-lora": rows(0.4), TEACHER: rows(0.4)})
    assert of(judged, TEACHER)["reached"] is False
    assert of(judged, "rejection")["reached"] is None


def test_anything_is_more_than_nothing():
    from learning_parts.judging import verdicts

    judged = of(verdicts({"grpo-lora": rows(1.0), "sft": rows(0.0)}), "sft")
    assert math.isinf(judged["relative"])
    assert judged["reached"]


def test_the_way_is_measured_from_the_best_baseline_and_never_from_the_if_else_program():
    from learning_parts.fixed import PER_TASK
    from learning_parts.judging import IF_ELSE, RANDOM_RUNNING, gap_share

    played = {
        "grpo-lora": rows(0.6),
        "sft": rows(0.2),
        RANDOM_RUNNING: rows(0.4),
        IF_ELSE: rows(0.8),
        PER_TASK: rows(1.0),
    }
    gap = gap_share(played, "grpo-lora", PER_TASK)
    assert gap.base == RANDOM_RUNNING
    assert gap.gain == pytest.approx(0.2)
    assert gap.share == pytest.approx(1 / 3)


def test_seeds_together_keep_their_tasks_apart_and_their_families_together():
    from learning_parts.figures import pooled, summary

    counted = summary(pooled([rows(0.4), rows(0.6)]))
    assert (counted["families"], counted["tasks"], counted["episodes"]) == (4, 24, 120)
    assert counted["medal"].mean == pytest.approx(0.5)
