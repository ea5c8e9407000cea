"""Losses against plain Python, and sums over micro-batches against the whole."""

import math
import random
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sandmle.core.engine.training import TrainingSequence
from sandmle.plugins.trainers.local.batches import Weighted, micro_batches, trained_tokens
from sandmle.plugins.trainers.local.losses import Clip, action_log_probs, clipped_share, k3, policy_loss, token_weights

LOG_PROB = st.floats(-4, 0)
ADVANTAGE = st.floats(-3, 3)
CLIP = Clip(low=0.2, high=0.28)


def plain_loss(new: float, old: float, advantage: float) -> float:
    ratio = math.exp(new - old)
    clipped = min(max(ratio, 1 - CLIP.low), 1 + CLIP.high)
    return -min(ratio * advantage, clipped * advantage)


@given(st.lists(st.tuples(LOG_PROB, LOG_PROB, ADVANTAGE), min_size=1, max_size=8))
def test_the_clipped_loss_is_that_of_plain_python(rows):
    new, old, advantages = (torch.tensor(column, dtype=torch.float64) for column in zip(*rows, strict=True))
    assert policy_loss(new, old, advantages, CLIP).tolist() == pytest.approx([plain_loss(*row) for row in rows])


@pytest.mark.parametrize(
    ("ratio", "advantage", "moves"),
    [(1.27, 1, True), (1.29, 1, False), (1.29, -1, True), (0.81, -1, True), (0.79, -1, False), (0.79, 1, True)],
)
def test_the_clip_reaches_higher_than_lower(ratio, advantage, moves):
    new = torch.tensor([math.log(ratio)], dtype=torch.float64, requires_grad=True)
    old, advantages = torch.zeros(1, dtype=torch.float64), torch.tensor([advantage], dtype=torch.float64)
    policy_loss(new, old, advantages, CLIP).sum().backward()
    assert (new.grad.item() != 0) is moves
    assert bool(clipped_share(new, old, advantages, CLIP)[0]) is not moves


@given(LOG_PROB, LOG_PROB)
def test_k3_is_never_negative_and_zero_for_equals(new, reference):
    tensors = torch.tensor([new], dtype=torch.float64), torch.tensor([reference], dtype=torch.float64)
    assert k3(*tensors).item() >= -1e-12
    assert k3(tensors[0], tensors[0]).item() == 0


def sequence(number: int, lengths: list[int]) -> Weighted:
    """Turns of these lengths, each after two observation tokens."""
    tokens, ranges, log_probs = [], [], []
    for length in lengths:
        tokens += [900, 901]
        ranges.append((len(tokens), len(tokens) + length))
        tokens += range(100, 100 + length)
        log_probs = [*log_probs, 0.0, 0.0, *[-0.1 * one for one in range(1, length + 1)]]
    made = TrainingSequence(
        episode_id=f"e{number}",
        segment=0,
        observation_tokens=tuple(tokens),
        action_ranges=tuple(ranges),
        rollout_log_probs=tuple(log_probs),
        reward=None,
        truncated=False,
    )
    return Weighted(sequence=made, advantage=float(number))


SEQUENCES = st.lists(st.lists(st.integers(1, 5), min_size=1, max_size=3), min_size=1, max_size=6)


@given(SEQUENCES, st.integers(1, 60))
def test_micro_batches_hold_every_sampled_token_once_with_its_own_advantage(turns, most_tokens):
    items = [sequence(number, lengths) for number, lengths in enumerate(turns)]
    found = []
    for batch in micro_batches(items, most_tokens, "cpu"):
        targets = batch.ids[:, 1:][batch.trained].tolist()
        assert 900 not in targets
        assert 901 not in targets
        assert len(batch.shared) + batch.ids.numel() <= most_tokens or len(batch.ids) == 1
        found += zip(targets, batch.advantages.tolist(), batch.rollout_log_probs.tolist(), strict=True)
    wanted = [
        (token, item.advantage, pytest.approx(log_prob))
        for item in items
        for start, end in item.sequence.action_ranges
        for token, log_prob in zip(
            item.sequence.observation_tokens[start:end], item.sequence.rollout_log_probs[start:end], strict=True
        )
    ]
    assert len(found) == len(wanted) == trained_tokens(items)
    assert sorted(one[:2] for one in found) == sorted(one[:2] for one in wanted)


@given(SEQUENCES, st.integers(1, 60))
def test_weights_of_micro_batches_sum_to_one_in_either_aggregation(turns, most_tokens):
    items = [sequence(number, lengths) for number, lengths in enumerate(turns)]
    batches = list(micro_batches(items, most_tokens, "cpu"))
    tokens, sequences = trained_tokens(items), len(items)
    for aggregate in ("token-mean", "seq-mean-token-mean"):
        weights = [token_weights(one, aggregate, tokens=tokens, sequences=sequences) for one in batches]
        assert float(torch.cat(weights).sum()) == pytest.approx(1, abs=1e-5)
    by_sequence = [
        float(weight[batch.owner == row].sum())
        for weight, batch in zip(weights, batches, strict=True)
        for row in range(len(batch.ids))
    ]
    assert by_sequence == pytest.approx([1 / sequences] * sequences, abs=1e-5)


def test_a_shared_beginning_read_once_gives_the_same_numbers_and_gradients(toy, imitator):
    module = toy.toy_toolkit().open_model(f"local/{imitator}").module
    turns = [[3, 2], [1], [4, 1, 2], [5]]
    made = [sequence(number, lengths) for number, lengths in enumerate(turns)]
    small = [tuple(token % 250 for token in item.sequence.observation_tokens) for item in made]
    items = [
        replace(item, sequence=replace(item.sequence, observation_tokens=tokens))
        for item, tokens in zip(made, small, strict=True)
    ]

    def gradient(batches) -> tuple[float, torch.Tensor]:
        module.zero_grad()
        loss = sum((action_log_probs(module, one, 1.0)[0] * one.advantages).sum() for one in batches)
        loss.backward()
        return loss.item(), module.get_input_embeddings().weight.grad.clone()

    [together] = micro_batches(items, 1000, "cpu")
    assert len(together.shared) == 1
    apart = [one for item in items for one in micro_batches([item], 1000, "cpu")]
    assert all(len(one.shared) == 0 for one in apart)
    (loss, moved), (other_loss, other_moved) = gradient([together]), gradient(apart)
    assert loss == pytest.approx(other_loss, abs=1e-4)
    assert torch.allclose(moved, other_moved, atol=1e-4)


def beginning_with(prompt: list[int], number: int, length: int) -> Weighted:
    """One turn of so many tokens after a prompt."""
    log_probs = [0.0] * len(prompt) + [-0.5] * length
    made = TrainingSequence(
        episode_id=f"e{number}",
        segment=0,
        observation_tokens=(*prompt, *range(50, 50 + length)),
        action_ranges=((len(prompt), len(prompt) + length),),
        rollout_log_probs=tuple(log_probs),
        reward=None,
        truncated=False,
    )
    return Weighted(sequence=made, advantage=(-1.0) ** number)


def test_off_the_cpu_a_prompt_is_read_once_only_where_that_saves_thousands_of_tokens():
    short, long = list(range(101)), list(range(1100))
    items = [beginning_with(short, number, 5) for number in range(4)]
    items += [beginning_with(long, number, 5) for number in range(4, 10)]

    def shapes(device: str, most_tokens: int = 10**6) -> list[tuple[int, tuple[int, ...]]]:
        return [(len(one.shared), tuple(one.ids.shape)) for one in micro_batches(items, most_tokens, device)]

    # Three times 100 tokens are saved by the first prompt, five times 1,099 by the second.
    assert shapes("cpu") == [(100, (4, 6)), (1099, (6, 6))]
    assert shapes("meta") == [(1099, (6, 6)), (0, (4, 106))]
    # Two rows at a time save too little of the long prompt, too: all are read whole, by length.
    assert shapes("meta", 1111 + 6) == [(0, (4, 106)), *[(0, (1, 1105))] * 6]


def test_a_row_that_is_left_over_shares_nothing():
    items = [beginning_with(list(range(20)), number, 5) for number in range(3)]
    assert [(len(one.shared), len(one.ids)) for one in micro_batches(items, 31, "cpu")] == [(19, 2), (0, 1)]


def test_shared_or_padded_the_update_is_the_same(toy, imitator):
    rng = random.Random(4)
    prompts = [[rng.randrange(250) for _ in range(length)] for length in (30, 12, 7)]
    items = [beginning_with(prompts[number % 3], number, 2 + number % 4) for number in range(8)]
    found = []
    for share in (True, False):
        module = toy.toy_toolkit().open_model(f"local/{imitator}").module
        batches = list(micro_batches(items, 150, "cpu", share_prompts=share))
        assert any(len(one.shared) for one in batches) is share
        module.zero_grad()
        for batch in batches:
            weights = token_weights(batch, "seq-mean-token-mean", tokens=trained_tokens(items), sequences=len(items))
            new, _ = action_log_probs(module, batch, 0.7)
            (policy_loss(new, batch.rollout_log_probs, batch.advantages, CLIP) * weights).sum().backward()
        found.append({name: one.grad.clone() for name, one in module.named_parameters()})
    for name, gradient in found[0].items():
        assert torch.allclose(gradient, found[1][name], atol=1e-6, rtol=1e-4), name
