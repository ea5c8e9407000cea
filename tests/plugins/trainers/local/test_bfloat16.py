"""Training in bfloat16, on a GPU where there is one, and with layers computed twice."""

import asyncio
import random

import pytest
import torch

from sandmle.core.contracts.policy import AdapterShape
from sandmle.core.engine.advantage import Estimator
from sandmle.core.engine.store import read_episodes
from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.errors import PluginError, RunError
from sandmle.plugins.trainers.local.batches import micro_batches
from sandmle.plugins.trainers.local.groups import judge, weighted
from sandmle.plugins.trainers.local.grpo import Grpo
from sandmle.plugins.trainers.local.loop import run_grpo
from sandmle.plugins.trainers.local.losses import action_log_probs
from sandmle.plugins.trainers.local.optimizing import Optimizer, prepare

GPU = pytest.param(
    "cuda", marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU")]
)
DEVICES = pytest.mark.parametrize("device", ["cpu", GPU])


def toolkit_with(toy, **llm) -> Toolkit:
    made = toy.toy_toolkit()
    plugin = {**made.settings.plugin, "llm": {"local": llm}}
    return Toolkit(plugins=made.plugins, settings=made.settings.model_copy(update={"plugin": plugin}))


@pytest.fixture
def train(toy, imitator, tasks, tmp_path):
    async def run(device: str, *, dtype: str = "bfloat16", **grpo):
        toolkit = toolkit_with(toy, device=device, dtype=dtype)
        return await run_grpo(
            toolkit,
            toy.grpo_config(imitator, **grpo),
            tasks=tasks,
            out=tmp_path / "out",
            drain=asyncio.Event(),
            tell=lambda line: None,
        )

    return run


@pytest.fixture
def items(toy, imitator, demos, tasks, tmp_path):
    """Sequences of one step played in float32 on the CPU."""

    async def play():
        await run_grpo(
            toy.toy_toolkit(),
            toy.grpo_config(imitator, steps=1, tasks_per_step=4),
            tasks=tasks,
            out=tmp_path / "played",
            drain=asyncio.Event(),
            tell=lambda line: None,
        )

    asyncio.run(play())
    groups: dict[str, list] = {}
    for episode in read_episodes(tmp_path / "played" / "steps" / "0001"):
        groups.setdefault(episode.task_id, []).append(episode)
    return weighted([judge(one, Estimator.GROUP_NORM) for one in groups.values()], mask_truncated=False)


def opened(toy, imitator, **llm):
    return toolkit_with(toy, **llm).open_model(f"local/{imitator}")


@DEVICES
@pytest.mark.parametrize("adapter", [True, False])
async def test_a_policy_is_played_and_trained_in_bfloat16(train, device, adapter):
    summary = await train(device, steps=2, adapter=adapter)
    assert all(line["grad_norm"] > 0 for line in summary.metrics)
    assert all(0 < line["rollout_gap"] < 0.05 for line in summary.metrics)


@DEVICES
@pytest.mark.slow
async def test_a_policy_learns_in_bfloat16_what_is_rewarded(train, device):
    summary = await train(device, steps=14, tasks_per_step=4, group_size=8, rank=16, learning_rate=1e-2)
    rewards = [line["reward"] for line in summary.metrics]
    assert sum(rewards[-3:]) / 3 > sum(rewards[:2]) / 2 + 0.15


@DEVICES
async def test_a_bfloat16_run_with_layers_computed_twice_is_resumed_by_the_same_words_only(train, device):
    first = await train(device, gradient_checkpointing=True)
    again = await train(device, gradient_checkpointing=True)
    assert again.metrics == first.metrics
    with pytest.raises(RunError, match="dtype: was"):
        await train(device, gradient_checkpointing=True, dtype="float32")


@DEVICES
def test_layers_computed_twice_give_the_same_losses_and_gradients(toy, imitator, items, device):
    def gradients(twice: bool) -> tuple[float, dict[str, torch.Tensor]]:
        policy = opened(toy, imitator, device=device)
        policy.add_adapter(AdapterShape(rank=4), 1)
        config = toy.grpo_config(imitator, gradient_checkpointing=twice).grpo
        prepare(policy.module, config)
        policy.module.train()
        total = 0.0
        for batch in micro_batches(items, 300, device, share_prompts=not twice):
            log_probs, _ = action_log_probs(policy.module, batch, 1.0)
            loss = (log_probs * batch.advantages).sum()
            loss.backward()
            total += float(loss.detach())
        found = {name: one.grad for name, one in policy.module.named_parameters() if one.grad is not None}
        assert found
        return total, found

    (loss, once), (other_loss, twice) = gradients(False), gradients(True)
    assert loss == pytest.approx(other_loss, abs=1e-3)
    assert once.keys() == twice.keys()
    for name, gradient in once.items():
        assert torch.allclose(gradient, twice[name], atol=1e-3, rtol=1e-3), name


def test_many_words_in_pieces_give_the_same_log_probs(toy, imitator, items, monkeypatch):
    from sandmle.plugins.trainers.local import losses

    policy = opened(toy, imitator)
    [batch] = micro_batches(items, 10**6, "cpu", share_prompts=False)
    whole = action_log_probs(policy.module, batch, 1.0)
    prepare(policy.module, toy.grpo_config(imitator, gradient_checkpointing=True).grpo)
    monkeypatch.setattr(losses, "HEAD_TOKENS", 7)
    pieces = action_log_probs(policy.module, batch, 1.0)
    for one, other in zip(whole, pieces, strict=True):
        assert torch.allclose(one, other, atol=1e-5)


@DEVICES
def test_one_update_in_bfloat16_is_nearly_that_of_float32(toy, imitator, items, device):
    moved = []
    for dtype in ("float32", "bfloat16"):
        policy = opened(toy, imitator, device=device, dtype=dtype)
        policy.add_adapter(AdapterShape(rank=4), 1)
        config = toy.grpo_config(imitator, minibatches=1).grpo
        optimizer = Optimizer(policy.module, config, 1e-3, 1)
        grpo = Grpo(policy.module, config, 1.0, None, dtype=policy.dtype)
        report = grpo.update(items, optimizer, step=1, rng=random.Random(0), kept="")
        moved.append(report)
    assert moved[1].loss == pytest.approx(moved[0].loss, abs=0.01)
    assert moved[1].grad_norm == pytest.approx(moved[0].grad_norm, rel=0.1)
    assert moved[0].rollout_gap < 1e-4 < moved[1].rollout_gap < 0.05


def test_episodes_of_another_policy_are_noticed_in_bfloat16_too(toy, imitator, items):
    policy = opened(toy, imitator, dtype="bfloat16")
    policy.train_all()
    with torch.no_grad():
        policy.module.lm_head.weight.mul_(1.5)
    config = toy.grpo_config(imitator).grpo
    grpo = Grpo(policy.module, config, 1.0, None, dtype=policy.dtype)
    with pytest.raises(PluginError, match="sampled from another policy"):
        grpo.update(items, Optimizer(policy.module, config, 1e-3, 1), step=1, rng=random.Random(0), kept="")


def test_weights_that_are_not_float32_are_never_trained(toy, imitator):
    policy = opened(toy, imitator)
    policy.module.bfloat16()
    with pytest.raises(ValueError, match="must be float32"):
        Optimizer(policy.module, toy.grpo_config(imitator).grpo, 1e-3, 1)
