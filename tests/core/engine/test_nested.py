"""Intervals that know that tasks of a family, and episodes of a task, are not independent."""

import math

import pytest

from sandmle.core.engine.nested import nested_difference, nested_estimate


def test_the_mean_is_over_tasks_of_means_over_episodes():
    found = nested_estimate({"a": {"one": [1.0, 0.0], "two": [1.0]}, "b": {"three": [0.0, 0.0, 0.0]}})
    assert (found.mean, found.tasks) == (0.5, 3)
    assert found.low <= found.mean <= found.high


def test_two_families_that_disagree_make_the_widest_interval_however_many_tasks_they_have():
    values = {"a": {str(n): [1.0] for n in range(50)}, "b": {str(n): [0.0] for n in range(50)}}
    assert (nested_estimate(values).low, nested_estimate(values).high) == (0.0, 1.0)
    # As many tasks, each a family of its own, say far more.
    apart = {f"{name}{n}": {"x": [value]} for name, value in (("a", 1.0), ("b", 0.0)) for n in range(50)}
    assert 0.35 < nested_estimate(apart).low < 0.5 < nested_estimate(apart).high < 0.65


def test_episodes_are_drawn_too():
    found = nested_estimate({"a": {"one": [0.0, 1.0, 0.0, 1.0]}})
    assert found.low < 0.5 < found.high


def test_a_difference_is_paired_by_family_and_task():
    ours = {"a": {"hard": [0.2], "easy": [1.0]}, "b": {"other": [0.6]}}
    theirs = {"a": {"hard": [0.1], "easy": [0.9]}, "b": {"other": [0.5]}}
    found = nested_difference(ours, theirs)
    assert [round(value, 9) for value in (found.mean, found.low, found.high)] == [0.1, 0.1, 0.1]


def test_the_same_input_gives_the_same_interval():
    values = {"a": {"one": [0.0, 1.0], "two": [1.0]}, "b": {"three": [0.3]}}
    assert nested_estimate(values) == nested_estimate(values)


def test_arms_on_other_tasks_are_not_compared():
    with pytest.raises(ValueError, match="same tasks"):
        nested_difference({"a": {"one": [1.0]}}, {"a": {"two": [1.0]}})


def test_of_nothing_nothing_is_said():
    for found in (nested_estimate({}), nested_difference({}, {})):
        assert found.tasks == 0
        assert all(map(math.isnan, (found.mean, found.low, found.high)))
