"""GRPO in the toy world: it learns, trains what was sampled and nothing else, and goes on after anything."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from sandmle.core.engine.advantage import Estimator, Verdict
from sandmle.core.engine.store import read_episodes
from sandmle.core.engine.training import training_sequences
from sandmle.core.errors import ConfigError, PluginError, RunError
from sandmle.core.types.episode import Outcome
from sandmle.plugins.trainers.local import grpo as grpo_file
from sandmle.plugins.trainers.local.batches import Weighted, micro_batches
from sandmle.plugins.trainers.local.canary import check_sync
from sandmle.plugins.trainers.local.evaluating import best_step
from sandmle.plugins.trainers.local.groups import judge, weighted
from sandmle.plugins.trainers.local.grpo import Grpo
from sandmle.plugins.trainers.local.loop import run_grpo
from sandmle.plugins.trainers.local.optimizing import Optimizer


@pytest.fixture
def train(toy, imitator, tasks):
    async def run(out: Path, *, validation=None, sandbox=None, drain=None, toolkit=None, **grpo):
        return await run_grpo(
            toolkit or toy.toy_toolkit(sandbox=sandbox),
            toy.grpo_config(imitator, validation, **grpo),
            tasks=tasks,
            out=out,
            drain=drain or asyncio.Event(),
            tell=lambda line: None,
        )

    return run


def same(metrics: list[dict]) -> list[dict]:
    """Metrics without wall time and without the two numbers that measure the last bits of batched sums."""
    return [{k: v for k, v in line.items() if k not in ("seconds", "rollout_gap", "canary_gap")} for line in metrics]


async def test_the_policy_learns_what_is_rewarded(train, tmp_path):
    summary = await train(tmp_path / "out", steps=14, tasks_per_step=4, group_size=8, learning_rate=1e-2, rank=16)
    rewards = [line["reward"] for line in summary.metrics]
    assert sum(rewards[-3:]) / 3 > sum(rewards[:2]) / 2 + 0.15
    assert summary.complete


async def test_a_kill_in_the_middle_of_a_step_changes_no_loss(toy, train, imitator, tasks, tmp_path):
    whole = await train(tmp_path / "whole")

    def play(**variables: str) -> subprocess.CompletedProcess[str]:
        program = [sys.executable, toy.__file__, str(imitator), str(tasks), str(tmp_path / "killed")]
        return subprocess.run(program, capture_output=True, text=True, check=False, env={**os.environ, **variables})

    # A step plays 8 episodes of 2 cells; 21 cells are in the middle of the second.
    killed = play(TOY_KILL_AFTER="21")
    assert killed.returncode == -signal.SIGKILL
    assert len((tmp_path / "killed" / "metrics.jsonl").read_text().splitlines()) == 1
    resumed = play()
    assert resumed.returncode == 0, resumed.stderr
    assert same(json.loads(resumed.stdout)) == same(whole.metrics)
    weights = [(tmp_path / one / "last/adapter/adapter_model.safetensors").read_bytes() for one in ("whole", "killed")]
    assert weights[0] == weights[1]


async def test_trained_tokens_are_exactly_the_policys_sampled_ids(train, tmp_path, monkeypatch):
    trained: list[tuple[int, ...]] = []
    original = grpo_file.micro_batches

    def watched(items, most_tokens, device, **how):
        for batch in original(items, most_tokens, device, **how):
            targets = batch.ids[:, 1:]
            trained.extend(tuple(targets[row][batch.trained[row]].tolist()) for row in range(len(batch.ids)))
            yield batch

    monkeypatch.setattr(grpo_file, "micro_batches", watched)
    summary = await train(tmp_path / "out", steps=1, tasks_per_step=4, minibatches=1)
    groups: dict[str, list] = {}
    for episode in read_episodes(tmp_path / "out" / "steps" / "0001"):
        groups.setdefault(episode.task_id, []).append(episode)
    sampled = [
        tuple(token for reply in episode.trajectory.replies() for token in reply.sampled_ids)
        for group in groups.values()
        if judge(group, Estimator.GROUP_NORM).kept
        for episode in group
    ]
    assert sorted(trained) == sorted(sampled)
    assert summary.metrics[0]["tokens"] == sum(map(len, sampled))


async def test_another_observation_changes_no_mask(train, tmp_path):
    await train(tmp_path / "out", steps=1)
    episodes = list(read_episodes(tmp_path / "out" / "steps" / "0001"))
    [sequence] = training_sequences(episodes[0])
    shown = [at for at, action in enumerate(sequence.action_mask()) if not action]
    tokens = list(sequence.observation_tokens)
    tokens[shown[-1]] += 1
    changed = replace(sequence, observation_tokens=tuple(tokens))
    masks = [
        next(micro_batches([Weighted(sequence=one, advantage=1.0)], 10, "cpu")).trained for one in (sequence, changed)
    ]
    assert torch.equal(*masks)


async def test_an_adapter_on_the_head_is_trained_and_the_weights_below_stay(toy, train, imitator, tmp_path):
    await train(tmp_path / "out")
    before = toy.toy_toolkit().open_model(f"local/{imitator}").module.state_dict()
    module = toy.toy_toolkit().open_model(f"local/{tmp_path / 'out'}").module
    learned = {name: one for name, one in module.named_parameters() if ".lora_B" in name}
    assert any("lm_head" in name for name in learned)
    assert all(one.abs().max() > 0 for one in learned.values())
    assert torch.equal(module.get_base_model().lm_head.base_layer.weight, before["lm_head.weight"])


async def test_full_training_moves_the_weights_themselves(toy, train, imitator, tmp_path):
    await train(tmp_path / "out", adapter=False, learning_rate=1e-3)
    before = toy.toy_toolkit().open_model(f"local/{imitator}").module.state_dict()
    after = toy.toy_toolkit().open_model(f"local/{tmp_path / 'out'}").module.state_dict()
    assert before.keys() == after.keys()
    assert all(not torch.equal(before[name], after[name]) for name in before)


async def test_versions_count_updates_and_stand_on_the_episodes(train, tmp_path):
    summary = await train(tmp_path / "out", steps=2)
    assert [line["policy_version"] for line in summary.metrics] == [1, 2]
    versions = [{e.policy_version for e in read_episodes(tmp_path / "out" / "steps" / f"000{n}")} for n in (1, 2)]
    assert versions == [{0}, {1}]


async def test_rollouts_agree_with_what_the_trainer_computes(train, tmp_path):
    summary = await train(tmp_path / "out")
    assert all(line["rollout_gap"] < 1e-4 for line in summary.metrics)
    assert all(line["canary_gap"] < 1e-4 for line in summary.metrics)


@pytest.mark.parametrize(
    "changes", [{"epochs": 3}, {"old_log_probs": "rollout"}, {"kl": 0.1}, {"aggregate": "seq-mean-token-mean"}]
)
async def test_every_variant_trains(train, tmp_path, changes):
    summary = await train(tmp_path / "out", steps=2, **changes)
    assert all(line["loss"] is not None for line in summary.metrics)
    assert (summary.metrics[-1]["kl"] > 0) == ("kl" in changes)


async def test_the_best_checkpoint_on_the_validation_tasks_is_kept(train, validation, tmp_path):
    summary = await train(tmp_path / "out", validation=validation, steps=5, best_by="reward", keep_checkpoints=1)
    assert [one["step"] for one in summary.evaluations] == [0, 2, 4, 5]
    best = best_step(summary.evaluations, "reward")
    assert summary.best_step == best
    assert (tmp_path / "out" / "best").resolve().name == f"{best:04d}"
    assert (tmp_path / "out" / "best" / "config.json").is_file()
    assert (tmp_path / "out" / "last").resolve().name == "0005"


def test_the_earliest_of_equal_evaluations_is_the_best_and_no_number_is_none():
    values = [(0, 0.1), (2, 0.5), (4, None), (6, 0.5)]
    assert best_step([{"step": step, "reward": value} for step, value in values], "reward") == 2
    assert best_step([{"step": 0, "reward": None}], "reward") is None


async def test_a_drained_run_stops_and_goes_on_to_the_same_losses(train, tmp_path):
    whole = await train(tmp_path / "whole")
    drain = asyncio.Event()
    drain.set()
    stopped = await train(tmp_path / "parts", drain=drain)
    assert (stopped.complete, stopped.steps) == (False, 0)
    resumed = await train(tmp_path / "parts")
    assert same(resumed.metrics) == same(whole.metrics)


async def test_groups_with_one_survivor_are_dropped_and_counted(toy, train, tmp_path):
    sandbox = toy.ToySandbox(broken=lambda number: number % 4 != 1)
    toolkit = toy.toy_toolkit(sandbox=sandbox, infrastructure_retries=0)
    summary = await train(tmp_path / "out", toolkit=toolkit, steps=1, refills=0)
    [line] = summary.metrics
    assert (line["too_few"], line["infrastructure_rate"], line["groups"]) == (1.0, 0.75, 2)
    assert line["loss"] is None


async def test_a_group_of_which_less_than_half_is_left_is_played_on_in_further_slots(toy, train, tmp_path):
    sandbox = toy.ToySandbox(broken=lambda number: number <= 3)
    toolkit = toy.toy_toolkit(sandbox=sandbox, infrastructure_retries=0)
    summary = await train(tmp_path / "out", toolkit=toolkit, steps=1)
    [line] = summary.metrics
    assert line["too_few"] == 0
    assert line["episodes"] == 4 * line["groups"] + 3
    played: dict[str, list] = {}
    for episode in read_episodes(tmp_path / "out" / "steps" / "0001"):
        played.setdefault(episode.task_id, []).append(episode)
    [filled] = [group for group in played.values() if len(group) == 7]
    assert sorted(episode.slot for episode in filled) == list(range(7))
    assert sum(episode.outcome is Outcome.INFRASTRUCTURE for episode in filled) == 3


@pytest.mark.parametrize(("left", "kept"), [(1, False), (2, False), (3, True), (5, True)])
def test_a_group_needs_half_of_its_episodes(demos, left, kept):
    [*some] = [one for one in read_episodes(demos) if one.task_id == "say-0-a"][:5]
    assert len({one.reward.total for one in some[:2]}) == 2
    lost = [replace(one, outcome=Outcome.INFRASTRUCTURE, reward=None) for one in some[left:]]
    assert judge([*some[:left], *lost], Estimator.GROUP_NORM).kept is kept


def test_one_survivor_gives_no_advantage(demos):
    first, second = list(read_episodes(demos))[:2]
    failed = replace(second, outcome=Outcome.INFRASTRUCTURE, reward=None)
    group = judge([first, failed], Estimator.GROUP_NORM)
    assert group.judged.verdict is Verdict.TOO_FEW
    assert weighted([group], mask_truncated=False) == []


async def test_a_step_whose_groups_all_agree_changes_nothing_and_goes_on(toy, train, tmp_path):
    summary = await train(tmp_path / "out", toolkit=toy.toy_toolkit(temperature=0.0), steps=2)
    assert [line["loss"] for line in summary.metrics] == [None, None]
    assert [line["zero_variance"] for line in summary.metrics] == [1.0, 1.0]
    assert [line["policy_version"] for line in summary.metrics] == [0, 0]
    # Two groups, and once two others in their place.
    assert [line["groups"] for line in summary.metrics] == [4, 4]


async def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_last_checkpoint(train, tmp_path):
    with pytest.raises(RunError, match=r"step 1: the loss is .* norm nan.*checkpoints/0000"):
        await train(tmp_path / "out", learning_rate=1e30, grad_clip=1e30, adapter=False)
    weights = load_file(tmp_path / "out" / "last" / "model.safetensors")
    assert all(bool(torch.isfinite(one).all()) for one in weights.values())
    assert (tmp_path / "out" / "metrics.jsonl").read_text() == ""


async def test_a_generator_with_stale_weights_is_noticed_loudly(toy, imitator):
    policy = toy.toy_toolkit().open_model(f"local/{imitator}")
    assert await check_sync(policy, 1.0) < 1e-4
    with torch.no_grad():
        for parameter in policy.module.parameters():
            parameter.mul_(1.3)
    # The keys and values of the question were computed with the old weights.
    with pytest.raises(PluginError, match="policy-sync canary"):
        await check_sync(policy, 1.0)
    policy.weights_changed()
    assert await check_sync(policy, 1.0) < 1e-4


async def test_episodes_of_another_policy_are_not_trained_on(toy, train, imitator, tmp_path):
    await train(tmp_path / "out", steps=1)
    items = [
        Weighted(sequence=sequence, advantage=1.0)
        for episode in read_episodes(tmp_path / "out" / "steps" / "0001")
        for sequence in training_sequences(episode)
    ]
    module = toy.toy_toolkit().open_model(f"local/{imitator}").module
    config = toy.grpo_config(imitator).grpo
    with torch.no_grad():
        module.lm_head.weight.mul_(1.5)
    optimizer = Optimizer(module, config, 1e-3, 1)
    with pytest.raises(PluginError, match="sampled from another policy"):
        Grpo(module, config, 1.0, None).update(items, optimizer, step=1, rng=random.Random(0), kept="")


async def test_validation_tasks_that_are_trained_on_are_refused(train, tasks, tmp_path):
    with pytest.raises(ConfigError, match="validation tasks are training tasks"):
        await train(tmp_path / "out", validation=tasks)


async def test_a_policy_that_is_none_is_refused(toy, tasks, tmp_path):
    for policy, words in ((None, "name the checkpoint"), (tmp_path, "holds no policy")):
        with pytest.raises(ConfigError, match=words):
            await run_grpo(
                toy.toy_toolkit(),
                toy.grpo_config(policy),
                tasks=tasks,
                out=tmp_path / "out",
                drain=asyncio.Event(),
                tell=lambda line: None,
            )
