"""Imitation trains the demonstrator's tokens, resumes exactly, and says what it left out."""

import asyncio
import json
import shutil
from dataclasses import replace

import pytest

from sandmle.core.contracts.policy import TrainablePolicy
from sandmle.core.engine.store import open_store, read_episodes
from sandmle.core.errors import RunError
from sandmle.core.types.episode import Outcome
from sandmle.plugins.trainers.local.demonstrations import imitation_sequences, read_demonstrations, texts_by_task


def losses(summary) -> list[float]:
    return [line["loss"] for line in summary.metrics]


async def test_the_loss_falls_and_the_output_opens_as_a_policy(sft, toy, tmp_path):
    summary = await sft(tmp_path / "out")
    assert summary.complete
    assert losses(summary)[-1] < 0.7 * losses(summary)[0]
    assert summary.demonstrations == 128
    model = toy.toy_toolkit().open_model(f"local/{tmp_path / 'out'}")
    assert isinstance(model, TrainablePolicy)
    assert sorted(path.name for path in (tmp_path / "out" / "checkpoints").iterdir()) == ["0002", "0003"]


async def test_a_stopped_run_goes_on_to_the_same_losses(sft, tmp_path):
    whole = await sft(tmp_path / "whole")
    drain = asyncio.Event()
    drain.set()
    stopped = await sft(tmp_path / "parts", drain=drain)
    assert (stopped.complete, stopped.epochs) == (False, 0)
    resumed = await sft(tmp_path / "parts")
    assert losses(resumed) == losses(whole)


async def test_an_epoch_that_was_lost_with_its_checkpoint_comes_again_equal(sft, tmp_path):
    whole = await sft(tmp_path / "out")
    shutil.rmtree(tmp_path / "out" / "checkpoints" / "0003")
    lines = (tmp_path / "out" / "metrics.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "out" / "metrics.jsonl").write_text("".join(lines[:2]))
    again = await sft(tmp_path / "out")
    assert losses(again) == losses(whole)


async def test_another_configuration_is_refused_with_the_difference(sft, tmp_path):
    await sft(tmp_path / "out", epochs=1)
    with pytest.raises(RunError, match=r"sft.epochs: was 1, is 2"):
        await sft(tmp_path / "out", epochs=2)


async def test_a_learning_rate_that_explodes_stops_with_the_step_and_the_last_checkpoint(sft, tmp_path):
    with pytest.raises(RunError, match=r"step \d+: the loss is .* last good checkpoint is .*checkpoints/000"):
        await sft(tmp_path / "out", learning_rate=1e30, grad_clip=1e30, epochs=8)
    kept = sorted((tmp_path / "out" / "checkpoints").iterdir())
    assert kept
    assert all((one / "model.safetensors").is_file() for one in kept)


async def test_demonstrations_without_a_medal_leave_nothing_to_learn_from(sft, tmp_path):
    with pytest.raises(RunError, match="no demonstration is left"):
        await sft(tmp_path / "out", keep="medal")


def test_episodes_of_other_tasks_are_never_learned_from(demos):
    found = read_demonstrations([demos], ["say-0-a"], "all")
    assert {episode.task_id for episode in found.episodes} == {"say-0-a"}
    assert found.other_tasks == 96


def test_the_order_in_which_episodes_ended_makes_no_difference(demos, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(demos, other)
    lines = (demos / "episodes.jsonl").read_bytes().splitlines(keepends=True)
    (other / "episodes.jsonl").write_bytes(b"".join(reversed(lines)))
    tasks = {episode.task_id for episode in read_episodes(demos)}
    found, reversed_ = (read_demonstrations([run], tasks, "all").episodes for run in (demos, other))
    assert [one.episode_id for one in found] == [one.episode_id for one in reversed_]


def test_what_the_infrastructure_failed_is_no_demonstration(demos, tmp_path):
    episode = next(iter(read_episodes(demos)))
    with open_store(tmp_path / "run", {}) as store:
        store.add_episode(episode)
        store.add_episode(replace(episode, slot=99, outcome=Outcome.INFRASTRUCTURE))
    assert len(read_demonstrations([tmp_path / "run"], [episode.task_id], "all").episodes) == 1


def test_the_trained_tokens_are_what_the_demonstrator_wrote_and_its_ends(toy, imitator, demos):
    policy = toy.toy_toolkit().open_model(f"local/{imitator}")
    episodes = read_demonstrations([demos], ["say-0-b"], "all").episodes
    items, too_long = imitation_sequences(policy, episodes)
    assert (len(items), too_long) == (32, 0)
    for item, episode in zip(items, episodes, strict=True):
        tokens = item.sequence.observation_tokens
        spoken = [policy._codec.decode(tokens[start:end]) for start, end in item.sequence.action_ranges]
        assert spoken == [reply.text for reply in episode.trajectory.replies()]
        assert all(tokens[end - 1] == policy._codec.end_id for _, end in item.sequence.action_ranges)
        assert tokens[: item.sequence.action_ranges[0][0]][-1] == policy._codec.tokenizer.token_to_id("<|assistant|>")


def test_a_message_counts_once_per_task_however_often_it_was_sent(demos):
    texts = texts_by_task(read_episodes(demos))
    assert texts.count("Say it.") == 4
    assert texts.count("0, the letter is: a") == 1


async def test_imitation_can_begin_with_a_policy_that_is_there(sft, imitator, tmp_path):
    scratch = await sft(tmp_path / "scratch", epochs=1)
    further = await sft(tmp_path / "further", epochs=1, policy=imitator)
    assert losses(further)[0] < losses(scratch)[0]
    assert json.loads((tmp_path / "further" / "metrics.jsonl").read_text())["step"] == 1
