"""Samples of a policy some updates ago: weighed, counted, resumed, and refused where nothing would correct for them."""

import asyncio
import math
import random
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from sandmle.core.engine.store import read_episodes
from sandmle.core.engine.training import TrainingSequence
from sandmle.plugins.trainers.local.batches import Weighted, micro_batches
from sandmle.plugins.trainers.local.config import Correction, GrpoConfig
from sandmle.plugins.trainers.local.corrections import weigh
from sandmle.plugins.trainers.local.loop import run_grpo


@pytest.fixture
def train(toy, imitator, tasks):
    async def run(out: Path, *, drain=None, tell=lambda line: None, **grpo):
        return await run_grpo(
            toy.toy_toolkit(),
            toy.grpo_config(imitator, **{"minibatches": 1, **grpo}),
            tasks=tasks,
            out=out,
            drain=drain or asyncio.Event(),
            tell=tell,
        )

    return run


def batch_of(gaps: list[list[float]]):
    """Sequences whose tokens the policy before the update likes so much better than the one that sampled them."""
    items = []
    for number, row in enumerate(gaps):
        tokens = (5, 6, *range(10, 10 + len(row)))
        items.append(
            Weighted(
                sequence=TrainingSequence(
                    episode_id=f"e{number}",
                    segment=0,
                    observation_tokens=tokens,
                    action_ranges=((2, len(tokens)),),
                    rollout_log_probs=(0.0, 0.0, *[-3.0 - gap for gap in row]),
                    reward=None,
                    truncated=False,
                ),
                advantage=1.0,
            )
        )
    [batch] = micro_batches(items, 10**6, "cpu", share_prompts=False)
    return batch, torch.full((len(batch.owner),), -3.0)


def weighed(gaps, **how) -> tuple[list[float], list[bool]]:
    batch, old = batch_of(gaps)
    plain = {"level": "token", "mode": "mask", "gating": "ratio", "low": 0.5, "high": 5.0}
    weights, beyond = weigh(old, batch, Correction(**{**plain, **how}))
    return weights.tolist(), beyond.tolist()


def test_a_token_beyond_the_bounds_is_left_out_and_others_keep_their_ratio():
    weights, beyond = weighed([[0.0, math.log(2), math.log(6), math.log(0.4)]])
    assert weights == pytest.approx([1, 2, 0, 0])
    assert beyond == [False, False, True, True]


def test_a_weight_beyond_the_bounds_is_cut_off_at_them():
    weights, beyond = weighed([[0.0, math.log(6), math.log(0.4)]], mode="clip")
    assert weights == pytest.approx([1, 5, 0.5])
    assert beyond == [False, True, True]


def test_a_sequence_is_left_out_by_the_geometric_mean_of_its_ratios():
    weights, beyond = weighed([[math.log(6), math.log(6)], [math.log(8), math.log(0.5)]], level="seq")
    assert weights == pytest.approx([0, 0, 8, 0.5])
    assert beyond == [True, True, False, False]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"is_correction_level": "seq", "is_correction_mode": "clip"}, "is_correction_mode = clip needs"),
        ({"is_correction_level": "token", "is_correction_gating": "tv"}, "bounded from above only"),
        ({"is_correction_level": "token", "old_log_probs": "rollout"}, "needs old_log_probs"),
        ({"is_correction_threshold": (5.0, 0.5)}, "is above the higher"),
        ({"stale_steps": 1}, "is biased"),
    ],
)
def test_what_does_not_go_together_is_refused(changes, words):
    with pytest.raises(ValidationError, match=words):
        GrpoConfig(**changes)


async def test_stale_samples_are_those_of_earlier_steps_and_their_age_is_told(train, tmp_path):
    summary = await train(tmp_path / "out", steps=5, stale_steps=2, is_correction_level="token", learning_rate=2e-2)
    lines = summary.metrics
    assert [line["loss"] is None for line in lines[:2]] == [True, True]
    assert [line["policy_version"] for line in lines] == [0, 0, 1, 2, 3]
    # The third step trains what the first played; nothing had been learned in between.
    assert [line["updates_behind"] for line in lines] == [None, None, 0, 1, 2]
    assert lines[2]["rollout_gap"] < 1e-4 < lines[4]["rollout_gap"]
    assert lines[2]["is_weight"] == pytest.approx(1, abs=1e-4)
    assert abs(lines[4]["is_weight"] - 1) > 1e-4
    played = [{e.policy_version for e in read_episodes(tmp_path / "out" / "steps" / f"000{n}")} for n in range(1, 6)]
    assert played == [{0}, {0}, {0}, {1}, {2}]


@pytest.mark.parametrize(
    "how",
    [
        {"is_correction_level": "token", "is_correction_mode": "clip", "is_correction_threshold": (0.0, 2.0)},
        {"is_correction_level": "seq", "is_correction_threshold": (0.5, 2.0)},
        {"is_correction_level": "seq", "is_correction_gating": "binary_kl", "is_correction_threshold": (0.0, 0.1)},
        {"old_log_probs": "rollout"},
    ],
)
async def test_a_stopped_run_with_stale_samples_goes_on_to_the_same_losses(train, tmp_path, how):
    def told(summary, name: str) -> list:
        return [line[name] for line in summary.metrics if line["loss"] is not None]

    whole = await train(tmp_path / "whole", steps=4, stale_steps=1, **how)
    drain = asyncio.Event()
    stopped = await train(
        tmp_path / "parts",
        steps=4,
        stale_steps=1,
        drain=drain,
        tell=lambda line: drain.set() if line.startswith("step 2") else None,
        **how,
    )
    assert (stopped.complete, stopped.steps) == (False, 2)
    resumed = await train(tmp_path / "parts", steps=4, stale_steps=1, **how)
    assert told(resumed, "reward") == told(whole, "reward")
    # The rollouts' own log-probs, which weights are made of, differ in their last bits by what was batched together.
    for name in ("loss", "is_weight"):
        assert told(resumed, name) == pytest.approx(told(whole, name), abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("how", [{"is_correction_level": "token", "is_correction_mode": "clip"}])
async def test_a_policy_learns_from_samples_two_updates_old(train, tmp_path, how):
    summary = await train(
        tmp_path / "out", steps=18, stale_steps=2, tasks_per_step=4, group_size=8, rank=16, learning_rate=1e-2, **how
    )
    rewards = [line["reward"] for line in summary.metrics]
    assert sum(rewards[-3:]) / 3 > sum(rewards[:3]) / 3 + 0.1


def test_a_correction_moves_the_estimate_from_old_samples_to_the_current_policys():
    """Expected gains under one distribution, estimated from samples of another, with and without weights."""
    sampling, current, gain = (0.5, 0.3, 0.2), (0.3, 0.3, 0.4), (0.0, 0.5, 1.0)
    drawn = random.Random(0).choices(range(3), sampling, k=20_000)
    weights, beyond = weighed([[math.log(current[one] / sampling[one]) for one in drawn]])
    truth = sum(p * g for p, g in zip(current, gain, strict=True))
    plain = sum(gain[one] for one in drawn) / len(drawn)
    corrected = sum(weight * gain[one] for weight, one in zip(weights, drawn, strict=True)) / len(drawn)
    assert not any(beyond)
    assert abs(plain - truth) > 0.15
    assert corrected == pytest.approx(truth, abs=0.02)
