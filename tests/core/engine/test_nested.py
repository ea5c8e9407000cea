"""Intervals that know that tasks of a family, and episodes of a task, are not independent."""

import math

import pytest

from sandmle.core.engine.nested import common, nested_difference, nested_estimate, nested_relative, verdict
from sandmle.core.types.report import Estimate


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
    for compared in (nested_difference, nested_relative):
        with pytest.raises(ValueError, match="same tasks"):
            compared({"a": {"one": [1.0]}}, {"a": {"two": [1.0]}})


def test_a_relative_gain_is_paired_and_of_the_mean():
    ours, theirs = {"a": {"hard": [0.2], "easy": [0.8]}}, {"a": {"hard": [0.1], "easy": [0.4]}}
    found = nested_relative(ours, theirs)
    assert [round(value, 9) for value in (found.mean, found.low, found.high)] == [1.0, 1.0, 1.0]


def test_a_gain_over_nothing_is_infinite_and_none_over_nothing_is_none():
    nothing, something = {"a": {"x": [0.0, 0.0]}}, {"a": {"x": [0.5, 0.5]}}
    assert nested_relative(something, nothing).mean == math.inf
    assert nested_relative(nothing, nothing) == Estimate(mean=0.0, low=0.0, high=0.0, tasks=1)
    assert nested_relative(nothing, something) == Estimate(mean=-1.0, low=-1.0, high=-1.0, tasks=1)


def test_episodes_of_unequal_number_are_drawn_within_their_own_task():
    # A task with one episode must never borrow from its neighbour's.
    found = nested_estimate({"a": {"one": [1.0], "many": [1.0, 1.0, 1.0, 1.0]}})
    assert (found.low, found.high) == (1.0, 1.0)


def test_the_order_of_records_changes_nothing():
    one = {"a": {"x": [0.1, 0.7], "y": [0.3]}, "b": {"z": [0.2]}}
    other = {"b": {"z": [0.2]}, "a": {"y": [0.3], "x": [0.1, 0.7]}}
    assert nested_estimate(one) == nested_estimate(other)


def test_what_an_interval_allows_to_say():
    assert verdict(Estimate(mean=0.2, low=0.1, high=0.3, tasks=4)) == "above zero"
    assert verdict(Estimate(mean=-0.2, low=-0.3, high=-0.1, tasks=4)) == "below zero"
    assert verdict(Estimate(mean=0.2, low=0.0, high=0.3, tasks=4)) == "not told from zero"
    assert verdict(nested_difference({}, {})) == "not measured"


def test_only_tasks_of_both_are_common():
    ours, theirs = {"a": {"x": [1.0], "y": [1.0]}, "b": {"z": [1.0]}}, {"a": {"x": [0.0]}, "c": {"w": [0.0]}}
    assert common(ours, theirs) == ({"a": {"x": [1.0]}}, {"a": {"x": [0.0]}})


def test_of_nothing_nothing_is_said():
    for found in (nested_estimate({}), nested_difference({}, {}), nested_relative({}, {})):
        assert found.tasks == 0
        assert all(map(math.isnan, (found.mean, found.low, found.high)))
