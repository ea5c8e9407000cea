"""The training benchmark's own parts: faults that come as planned, their statistics, and the tables."""

import random

import pytest

from sandmle.core.errors import SandboxError
from sandmle.core.hooks.registry import Kind
from sandmle.core.types.sandbox import SandboxLimits


def test_advantages_stay_unbiased_while_failures_as_zeros_would_not():
    from training_parts.faults import bias

    rng = random.Random(1)
    groups = [[rng.choice((0.3, 0.4, 1.0)) for _ in range(8)] for _ in range(3)]
    for rate in (0.01, 0.1, 0.5):
        found = bias(groups, rate)
        assert abs(found["bias"]) <= 5 * found["bias_standard_error"] + 1e-12
        assert found["bias_if_failures_were_zero"] > 0.3 * rate


def test_groups_whose_survivors_are_alike_count_as_advantages_of_zero():
    from training_parts.faults import bias, unbiased

    # The one that stands out is lost in half of the draws: what is left without it teaches nothing.
    found = bias([[0.0, 0.0, 0.0, 1.0]], 0.5)
    assert abs(found["bias"]) <= 5 * found["bias_standard_error"]
    assert unbiased([{}, found]) is True
    assert unbiased([{**found, "bias": 0.1}]) is False


def test_where_no_group_teaches_anything_there_is_no_bias_to_tell():
    from training_parts.faults import bias, unbiased

    found = bias([[0.5] * 4], 0.5)
    assert found["bias"] is None
    assert unbiased([found]) is None


def test_time_that_overlaps_is_counted_once():
    from training_parts.rollouts import _covered

    assert _covered([(0.0, 2.0), (1.0, 3.0), (1.5, 1.6), (5.0, 6.0)]) == pytest.approx(4.0)
    assert _covered([]) == 0.0


async def test_a_sandbox_that_always_fails_does_so_by_its_own_error(tmp_path):
    from training_parts.faults import faulty_toolkit
    from training_parts.world import World

    world = World(tasks=tmp_path, policy=tmp_path, rng_seed=0)
    toolkit = faulty_toolkit(world, "sandbox", 1.0)
    sandbox = toolkit.make(Kind.SANDBOX, "process")
    await sandbox.start()
    try:
        for _ in range(6):
            with pytest.raises(SandboxError, match="injected"):
                async with sandbox.session(public_dir=None, limits=SandboxLimits()) as session:
                    await session.run("print(1)", 5.0)
        await sandbox.check_health()
    finally:
        await sandbox.close()


def test_the_tables_tell_every_figure_and_what_was_left_out():
    from training_parts.tables import as_markdown

    rollouts = {
        1: {
            "wall_s": 12.0,
            "generation_s": 10.0,
            "code_s": 1.0,
            "ratio": 1.09,
            "episode_ratio": 1.07,
            "episodes": 6,
            "cells": 12,
        }
    }
    row = {
        "faults": "sandbox",
        "rate": 0.1,
        "stopped": None,
        "steps": 2,
        "updates": 2,
        "episodes": 48,
        "left_out": 5,
        "groups": 6,
        "kept_groups": 5,
        "reward": 0.4,
        "rate_by_action": {"run_code": 0.04, "none": 0.05},
        "bias": 0.0001,
        "bias_standard_error": 0.0002,
        "bias_if_failures_were_zero": 0.04,
    }
    result = {"update": None, "left_out": "it is not there", "rollouts": rollouts, "faults": [row]}
    text = as_markdown(result)
    assert "| 1.09 | 1.3 |" in text
    assert "No comparison with TRL: it is not there" in text
    nothing = {**row, "bias": None, "bias_standard_error": None, "bias_if_failures_were_zero": None}
    assert as_markdown({**result, "faults": [nothing]}).endswith("| - | - |")
    assert "| sandbox | 10% | 5 of 48 | 5 of 6 | 2 updates in 2 steps | 0.400 | none 5.0%, run_code 4.0% | " in text
    one = {"ours_s": [0.2, 0.1, 0.3], "trl_s": [0.4, 0.5, 0.3], "trl_sequences_at_once": 8, "ratio": 0.5}
    update = {name: {**one, "loss_difference": 1e-7} for name in ("lora", "full")}
    more = {"trl": "1.16.0", "torch": "2.13.0", "sequences": 3, "tokens": 30, "trained_tokens": 9}
    text = as_markdown({**result, "update": {**update, **more}})
    assert (
        "0.200 (0.100 to 0.300) s | TRL 1.16.0: 0.400 (0.300 to 0.500) s (8 sequences at once) | 0.50 | 1.1 |" in text
    )
