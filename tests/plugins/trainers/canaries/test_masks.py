"""The mask audit, on episodes that were played and stored by the real engine, and masks that are really wrong."""

from dataclasses import replace

import pytest
import torch

from sandmle.core.engine.store import read_episodes
from sandmle.core.engine.training import training_sequences
from sandmle.plugins.trainers.canaries.masks import audit_masks, audit_rows
from sandmle.plugins.trainers.local import batches as batches_file
from sandmle.plugins.trainers.local.batches import Weighted, micro_batches
from sandmle.plugins.trainers.local.canary import trained_rows
from sandmle.plugins.trainers.openrlhf.samples import Asked, invalid_response, response_of, rows_of
from sandmle.plugins.trainers.openrlhf.written import written_by


@pytest.fixture(scope="module")
def episodes(played):
    return list(read_episodes(played))


@pytest.fixture(scope="module")
def decode(policy_codec):
    return policy_codec.decode


def items_of(episodes) -> list[Weighted]:
    return [Weighted(sequence=one, advantage=1.0) for episode in episodes for one in training_sequences(episode)]


def audited(items, episodes, decode, **how):
    return audit_masks(trained_rows(micro_batches(items, 400, "cpu", **how)), episodes, decode)


def test_what_is_trained_is_what_was_written(episodes, decode):
    report = audited(items_of(episodes), episodes, decode)
    assert report.problem is None
    assert report.rows == len(episodes)
    written = [reply.sampled_ids for episode in episodes for reply in episode.trajectory.replies()]
    assert report.tokens == sum(map(len, written))


@pytest.mark.parametrize(("step", "word"), [(1, "late"), (-1, "early")])
def test_a_mask_shifted_by_one_is_named(episodes, decode, monkeypatch, step, word):
    real = batches_file._batch

    def shifted(*words):
        batch = real(*words)
        trained = torch.roll(batch.trained, step, dims=1)
        trained[:, 0 if step > 0 else -1] = False
        return replace(batch, trained=trained)

    monkeypatch.setattr(batches_file, "_batch", shifted)
    problem = audited(items_of(episodes), episodes, decode, share_prompts=False).problem
    assert f"the mask is one token {word}" in problem
    assert f"In episode {episodes[0].task_id[:4]}" in problem


def test_observations_in_the_loss_are_shown_as_text(episodes, decode):
    sequence = training_sequences(episodes[0])[0]
    (start, _), (_, end) = sequence.action_ranges
    item = Weighted(sequence=replace(sequence, action_ranges=((start, end),)), advantage=1.0)
    problem = audited([item], episodes, decode).problem
    assert "that the policy did not write" in problem
    assert "you said" in problem


def test_a_turn_that_was_encoded_anew_is_noticed(episodes, decode):
    first, *others = episodes
    reply = first.trajectory.replies()[0]
    segment = first.trajectory.segments[0]
    spelled = tuple(
        replace(entry, reply=replace(entry.reply, text="something else")) if entry.reply is reply else entry
        for entry in segment.entries
    )
    changed = replace(first, trajectory=replace(first.trajectory, segments=(replace(segment, entries=spelled),)))
    problem = audited(items_of(episodes), [changed, *others], decode).problem
    assert "'something else'" in problem
    assert "encoded anew" in problem


def test_a_trajectory_that_is_trained_twice_is_counted(episodes, decode):
    item = items_of(episodes)[0]
    there = sum(one.sequence.observation_tokens == item.sequence.observation_tokens for one in items_of(episodes))
    problem = audited([item] * (there + 1), episodes, decode).problem
    assert f"is trained {there + 1} times" in problem


def test_where_nothing_was_written_nothing_may_be_trained(episodes, decode):
    assert "the policy wrote none" in audited(items_of(episodes[:1]), [], decode).problem


def test_what_an_executor_answers_carries_what_the_policy_wrote_beside_what_is_trained(episodes, decode):
    responses = [response_of(episode, Asked(prompt="", label=episode.task_id)) for episode in episodes]
    rows = [row for number, one in enumerate(responses) for row in rows_of(one, group=0, trajectory=number)]
    trained = [
        [token for start, end in row["action_ranges"] for token in row["observation_tokens"][start:end]] for row in rows
    ]
    written = [one for number, response in enumerate(responses) for one in written_by(response, f"episode {number}")]
    assert any(turn.text for one in written for turn in one.turns)
    assert audit_rows(trained, written, decode).problem is None
    assert "the policy did not write" in audit_rows([trained[0][:-1]], written, decode).problem


def test_of_an_episode_that_is_not_trained_nothing_was_written(episodes):
    asked = Asked(prompt="", label="a")
    stop = episodes[0].stop_reason
    assert written_by(response_of(episodes[0], asked, masked_stops=[stop]), "episode 0") == []
    assert written_by(invalid_response(asked, "SandboxError: gone", "none"), "episode 1") == []
