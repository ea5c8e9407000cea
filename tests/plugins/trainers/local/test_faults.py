"""Failures that have nothing to do with the agent bias nothing; those that it causes are its own."""

import asyncio
import itertools
import random
import shutil
from statistics import fmean, stdev

import pytest
import torch
from safetensors.torch import load_file, save_file

from sandmle.core.engine.advantage import Estimator, Verdict, group_advantages
from sandmle.core.engine.store import read_episodes, read_failures
from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.errors import ProviderError, RunError, SandboxError
from sandmle.core.hooks.manager import Plugins
from sandmle.core.hooks.registry import Kind, Registered, Registry, Spec
from sandmle.core.types.episode import Outcome
from sandmle.plugins.trainers.local.config import LocalTrainerConfig
from sandmle.plugins.trainers.local.loop import run_grpo
from sandmle.plugins.trainers.local.policies import policy_provider

RATES = pytest.mark.parametrize("rate", [0.01, 0.1, 0.5])
REWARDS = (0.0, 0.1, 0.1, 0.3, 0.5, 0.5, 0.9, 1.0)
DRAWS = 20_000


def mean_advantages(rate: float, *, as_zero: bool = False) -> tuple[list[float], list[float]]:
    """Each episode's advantage in the mean over failures, 0 where it failed, and the standard errors."""
    rng = random.Random(1)
    found: list[list[float]] = [[] for _ in REWARDS]
    for _ in range(DRAWS):
        alive = [rng.random() >= rate for _ in REWARDS]
        failed = 0.0 if as_zero else None
        rewards = [reward if there else failed for reward, there in zip(REWARDS, alive, strict=True)]
        advantages = group_advantages(rewards, Estimator.DR_GRPO).advantages
        for into, advantage, there in zip(found, advantages, alive, strict=True):
            into.append((advantage or 0.0) if there else 0.0)
    return [fmean(one) for one in found], [stdev(one) / DRAWS**0.5 for one in found]


@RATES
def test_advantages_less_the_mean_only_stay_those_without_faults_but_for_one_factor(rate):
    """The factor is a learning rate: what an episode is worth beside another does not change."""
    sound = group_advantages(REWARDS, Estimator.DR_GRPO).advantages
    means, errors = mean_advantages(rate)
    factor = sum(a * b for a, b in zip(means, sound, strict=True)) / sum(b * b for b in sound)
    assert 0.3 < factor <= 1.01
    for mean, error, wanted in zip(means, errors, sound, strict=True):
        assert abs(mean - factor * wanted) < 4 * error + 1e-9
    assert abs(sum(means)) < 4 * sum(errors)


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_failures_as_rewards_of_0_would_have_made_whatever_survives_look_good(rate):
    means, errors = mean_advantages(rate, as_zero=True)
    assert sum(means) > 8 * sum(errors)


def with_failing_provider(toolkit: Toolkit, fails) -> Toolkit:
    """The toolkit with the real provider, whose models fail the first question of episodes of these numbers."""
    spec = toolkit.registry.spec(Kind.LLM, "local")
    numbers = itertools.count(1)

    def failing(model):
        real = model.reply

        async def reply(messages, options):
            # Canaries ask otherwise.
            if [one.content for one in messages[:-1]] == ["Say it."] and fails(next(numbers)):
                raise ProviderError("the toy does not answer")
            return await real(messages, options)

        model.reply = reply
        return model

    def make(config):
        provider = spec.make(config)
        opened = provider.open_model
        provider.open_model = lambda model: failing(opened(model))
        return provider

    broken = Spec(name=spec.name, summary="", make=make, config=spec.config)
    entries = {(one.kind, one.spec.name): one for one in toolkit.registry}
    entries[Kind.LLM, spec.name] = Registered(kind=Kind.LLM, spec=broken, source="tests")
    plugins = Plugins(manager=toolkit.plugins.manager, registry=Registry(entries))
    return Toolkit(plugins=plugins, settings=toolkit.settings)


@pytest.fixture
def play(toy, imitator, tasks, tmp_path):
    async def run(name: str, broken, steps: int = 1, provider=None, **run):
        toolkit = toy.toy_toolkit(sandbox=toy.ToySandbox(broken=broken), **run)
        toolkit = with_failing_provider(toolkit, provider) if provider else toolkit
        config = toy.grpo_config(
            imitator, steps=steps, tasks_per_step=4, group_size=8, refills=0, estimator="dr_grpo", evaluate_every=0
        )
        return await run_grpo(
            toolkit, config, tasks=tasks, out=tmp_path / name, drain=asyncio.Event(), tell=lambda line: None
        )

    return run


@pytest.mark.parametrize(("who", "after"), [("sandbox", "run_code"), ("provider", "none")])
@RATES
async def test_training_goes_on_with_the_rewards_it_would_have_had_and_tells_the_rate(play, tmp_path, rate, who, after):
    rng = random.Random(3)
    failing = {number for number in range(1, 400) if rng.random() < rate}
    sound = await play("sound", lambda number: False)
    faults = {
        "broken": failing.__contains__ if who == "sandbox" else lambda number: False,
        "provider": failing.__contains__ if who == "provider" else None,
    }
    summary = await play("faulty", **faults, infrastructure_retries=0)
    before = {(one.task_id, one.slot): one for one in read_episodes(tmp_path / "sound" / "steps" / "0001")}
    episodes = list(read_episodes(tmp_path / "faulty" / "steps" / "0001"))
    lost = [one for one in episodes if one.outcome is Outcome.INFRASTRUCTURE]
    assert len(lost) == len(failing & set(range(1, 33)))
    for one in episodes:
        same = before[one.task_id, one.slot]
        assert one in lost or one.reward.total == same.reward.total
        assert one.reward is None or one not in lost
    [line] = summary.metrics
    assert line["infrastructure_rate"] == pytest.approx(len(lost) / 32)
    assert line["loss"] is not None
    # The sandbox breaks in its first cell, the provider before any.
    failures = list(read_failures(tmp_path / "faulty" / "steps" / "0001"))
    assert {one.after for one in failures} <= {after}
    assert (line["infrastructure_after"][after] > 0) is bool(lost)
    assert sound.metrics[0]["infrastructure_after"][after] == 0


async def test_what_a_retry_makes_good_is_told_and_changes_nothing(play, tmp_path):
    sound = await play("sound", lambda number: False)
    faulty = await play("faulty", lambda number: number % 10 == 0, infrastructure_retries=2)
    assert faulty.metrics[0]["reward"] == sound.metrics[0]["reward"]
    assert faulty.metrics[0]["loss"] == sound.metrics[0]["loss"]
    assert faulty.metrics[0]["infrastructure_rate"] == 0
    assert faulty.metrics[0]["infrastructure_after"]["run_code"] > 0


async def test_an_outage_stops_the_run_with_its_reason_and_the_same_words_go_on(play):
    with pytest.raises(SandboxError, match=r"infrastructure failures in a row; the run has stopped.*the toy is broken"):
        await play("out", lambda number: True, concurrency=1)
    summary = await play("out", lambda number: False, concurrency=1)
    assert summary.complete
    assert summary.metrics[0]["infrastructure_rate"] == 0
    assert summary.metrics[0]["too_few"] == 0


def test_a_group_without_enough_left_is_never_half_a_group():
    assert group_advantages([0.3, None, None], Estimator.DR_GRPO).verdict is Verdict.TOO_FEW


def cut_off(content: bytes) -> bytes:
    return content[:-60]


def one_bit_turned(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize("damage", [cut_off, one_bit_turned])
@pytest.mark.parametrize("part", ["adapter/adapter_model.safetensors", "trainer.pt"])
async def test_a_damaged_checkpoint_is_refused_and_the_one_before_goes_on_to_the_same_losses(
    play, tmp_path, part, damage
):
    whole = await play("out", lambda number: False, steps=2)
    newest = tmp_path / "out" / "checkpoints" / "0002"
    (newest / part).write_bytes(damage((newest / part).read_bytes()))
    with pytest.raises(RunError, match=r"remove .*0002 to go on from the checkpoint before it"):
        await play("out", lambda number: False, steps=2)
    shutil.rmtree(newest)
    again = await play("out", lambda number: False, steps=2)
    assert [line["loss"] for line in again.metrics] == [line["loss"] for line in whole.metrics]
    assert (newest / part).is_file()


async def test_a_trainers_state_of_another_training_is_refused(toy, play, tmp_path):
    await play("out", lambda number: False)
    newest = tmp_path / "out" / "checkpoints" / "0001"
    packed = torch.load(newest / "trainer.pt", weights_only=True)
    torch.save({**packed, "step": 2}, newest / "trainer.pt")
    with pytest.raises(RunError, match=r"0001 is damaged: trainer\.pt is not what was written; remove .*0001"):
        await play("out", lambda number: False)
    (newest / "SHA256SUMS").unlink()
    with pytest.raises(RunError, match=r"trainer\.pt is of step 2, .*; remove .*0001"):
        await play("out", lambda number: False)
    first = packed["optimizer"]["state"][0]
    state = {**packed["optimizer"]["state"], 0: {**first, "exp_avg": first["exp_avg"][1:]}}
    for optimizer in ({**packed["optimizer"], "state": state}, {**packed["optimizer"], "param_groups": []}):
        torch.save({**packed, "optimizer": optimizer}, newest / "trainer.pt")
        with pytest.raises(RunError, match=r"trainer\.pt .* is of other weights than those that are trained"):
            await play("out", lambda number: False)


async def test_damaged_weights_below_the_adapter_are_refused_for_all_checkpoints_until_they_are_put_back(
    play, tmp_path
):
    whole = await play("out", lambda number: False, steps=2)
    checkpoints = tmp_path / "out" / "checkpoints"
    shared = checkpoints / "0001" / "model.safetensors"
    assert shared.samefile(checkpoints / "0002" / "model.safetensors")
    right = shared.read_bytes()
    shared.write_bytes(right[:-4] + b"\0\0\1\0")
    shutil.rmtree(checkpoints / "0002")
    with pytest.raises(RunError, match=r"trained on other weights.*put back its model.safetensors"):
        await play("out", lambda number: False, steps=2)
    shared.write_bytes(right)
    again = await play("out", lambda number: False, steps=2)
    assert [line["loss"] for line in again.metrics] == [line["loss"] for line in whole.metrics]


async def test_weights_that_are_no_numbers_stop_the_run_before_anything_is_played(toy, imitator, tasks, tmp_path):
    broken = shutil.copytree(imitator, tmp_path / "broken", symlinks=True)
    weights = (broken / "last").resolve() / "model.safetensors"
    tensors = {name: torch.full_like(one, float("nan")) for name, one in load_file(weights).items()}
    save_file(tensors, weights, {"format": "pt"})
    with pytest.raises(ProviderError, match="no finite probabilities"):
        await run_grpo(
            toy.toy_toolkit(),
            toy.grpo_config(broken),
            tasks=tasks,
            out=tmp_path / "out",
            drain=asyncio.Event(),
            tell=lambda line: None,
        )
    assert not (tmp_path / "out" / "steps").exists()


async def test_a_policy_that_says_nothing_of_use_is_trained_on_nothing_and_told(toy, tasks, tmp_path):
    shape = LocalTrainerConfig.model_validate({"shape": toy.SHAPE}).shape.shape()
    policy_provider(toy.toy_toolkit()).create_policy(["zzz"] * 4, shape, 1, tmp_path / "garbage")
    summary = await run_grpo(
        toy.toy_toolkit(),
        toy.grpo_config(tmp_path / "garbage", steps=2, evaluate_every=0),
        tasks=tasks,
        out=tmp_path / "out",
        drain=asyncio.Event(),
        tell=lambda line: None,
    )
    assert summary.complete
    for line in summary.metrics:
        assert line["reward"] < 0.3
        assert (line["loss"] is None) == (line["kept_groups"] == 0)
