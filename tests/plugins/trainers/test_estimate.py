"""The estimate is the formula that its file spells out, with inputs that anybody can give."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandmle.core.errors import ConfigError
from sandmle.plugins.trainers.estimate import Assumptions, Plan, estimate, parse_assumptions, rounded
from sandmle.plugins.trainers.recipes import facts_of

PLAN = Plan(steps=80, trajectories=64, devices=8, max_tokens=40_960, episode_timeout_s=1e9, adapter=False, kl=False)
FACTS = facts_of("Qwen/Qwen3-8B")


def test_the_estimate_is_the_documented_formula():
    known = Assumptions(trajectory_tokens=20_000, sampled_tokens=8_000, tokens_per_s=500, turns=10, cell_s=14, mfu=0.4)
    found = estimate(PLAN, FACTS, known)
    rollout = 64 * 8_000 / (8 * 500) + 10 * 14
    # 36 layers, 32 heads of 128.
    attention = 4 * 36 * 32 * 128 * 20_000 / 2
    flops = 5 * (2 * FACTS.active_parameters + attention)
    training = 64 * 20_000 * flops / (8 * 989e12 * 0.4)
    assert found.rollout_s == pytest.approx(rollout)
    assert found.training_s == pytest.approx(training)
    assert found.step_s == pytest.approx(rollout + training + 60)
    assert found.device_hours == pytest.approx(8 * 80 * found.step_s / 3600)
    assert found.wall_hours * 8 == pytest.approx(found.device_hours)
    assert found.sandbox_hours == pytest.approx(64 * 80 * rollout / 3600)
    assert found.sandbox_busy_hours == pytest.approx(64 * 80 * 140 / 3600)


def test_decoding_speed_is_what_the_memory_lets_through():
    found = estimate(PLAN, FACTS, Assumptions(trajectory_tokens=20_000))
    step_bytes = 2 * FACTS.active_parameters + 8 * 10_000 * 2 * 36 * 8 * 128 * 2
    assert found.inputs["tokens_per_s"] == rounded(8 / (step_bytes / (3350e9 * 0.5)))


def test_an_adapter_trains_faster_and_a_reference_slower():
    def hours(**changes):
        plan = Plan(**{name: getattr(PLAN, name) for name in PLAN.__slots__} | changes)
        return estimate(plan, FACTS, Assumptions()).training_s

    assert hours(adapter=True) / hours() == pytest.approx(4 / 5)
    assert hours(kl=True) / hours() == pytest.approx(6 / 5)


def test_reading_few_experts_is_faster_than_reading_all():
    experts = facts_of("Qwen/Qwen3-30B-A3B-Thinking-2507")
    fast = estimate(PLAN, experts, Assumptions()).inputs["tokens_per_s"]
    alone = Plan(**{name: getattr(PLAN, name) for name in PLAN.__slots__} | {"devices": 64})
    each = estimate(alone, experts, Assumptions()).inputs["tokens_per_s"]
    # A batch of one reads a sixteenth of the experts, one of eight two fifths, for eight tokens.
    assert 1 < fast / each < 8


@given(
    st.floats(1e-3, 1e12),
    st.sampled_from(("turns", "cell_s", "overhead_s", "trajectory_tokens", "parameters", "devices")),
)
def test_more_work_never_takes_less(value, name):
    less = estimate(PLAN, FACTS, Assumptions(**{"tokens_per_s": 100.0, name: value}))
    more = estimate(PLAN, FACTS, Assumptions(**{"tokens_per_s": 100.0, name: 2 * value}))
    if name == "devices":
        assert more.wall_hours <= less.wall_hours
    else:
        assert more.device_hours >= less.device_hours


def test_two_digits_are_shown_and_no_more():
    found = estimate(PLAN, FACTS, Assumptions()).as_json()
    for name in ("gpu_hours", "wall_hours", "sandbox_hours", "step_s"):
        assert found[name] == rounded(found[name])
        assert len(f"{found[name]:e}".split("e")[0].rstrip("0").replace(".", "")) <= 2


def test_the_command_line_wins_over_the_recipe_and_that_over_the_defaults():
    found = parse_assumptions({"mfu": 0.15, "turns": 3}, ["turns=12", "tokens_per_s = 700"])
    assert (found.mfu, found.turns, found.tokens_per_s, found.peak_tflops) == (0.15, 12, 700, 989)


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        ("mfy=0.3", "did you mean 'mfu'"),
        ("mfu", "write it as KEY=NUMBER"),
        ("mfu=fast", "no positive number"),
        ("mfu=-1", "no positive number"),
        ("mfu=nan", "no positive number"),
        ("mfu=inf", "no positive number"),
        ("device=tpu", "gpu or cpu"),
    ],
)
def test_a_bad_assumption_is_refused(pair, words):
    with pytest.raises(ConfigError, match=words):
        parse_assumptions({}, [pair])


def test_an_unknown_size_is_asked_for():
    with pytest.raises(ConfigError, match="--assume parameters=8e9"):
        estimate(PLAN, None, Assumptions())
    assert estimate(PLAN, None, Assumptions(parameters=8e9)).device_hours > 0


def test_sessions_are_not_open_longer_than_an_episode_may_take():
    plan = Plan(**{name: getattr(PLAN, name) for name in PLAN.__slots__} | {"episode_timeout_s": 100.0})
    assert estimate(plan, FACTS, Assumptions()).sandbox_hours == pytest.approx(64 * 80 * 100 / 3600)
