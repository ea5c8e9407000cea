"""Training sequences in, tensors out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from sandmle.core.engine.training import TrainingSequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighted:
    """A sequence with the advantage that all of its sampled tokens share."""

    sequence: TrainingSequence
    advantage: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MicroBatch:
    """What one forward pass takes. N is the number of sampled tokens of all its sequences, in order."""

    ids: torch.Tensor
    """[sequences, tokens], padded on the right with 0."""
    trained: torch.Tensor
    """[sequences, tokens - 1]: whether the token after this one was sampled by the policy."""
    owner: torch.Tensor
    """[N]: row of the sequence that each sampled token belongs to."""
    lengths: torch.Tensor
    """[sequences]: sampled tokens of each."""
    rollout_log_probs: torch.Tensor
    """[N]"""
    advantages: torch.Tensor
    """[N]"""


def micro_batches(items: Sequence[Weighted], most_tokens: int, device: Any) -> Iterator[MicroBatch]:
    """Sequences of similar length together, in an order that depends on nothing but the sequences.

    Args:
        items: what is trained.
        most_tokens: of one batch, padding included; a longer sequence is a batch of its own.
        device: where the tensors are to be.
    """
    ordered = sorted(items, key=lambda one: (_length(one), one.sequence.episode_id, one.sequence.segment))
    chunk: list[Weighted] = []
    for item in ordered:
        if chunk and _length(item) * (len(chunk) + 1) > most_tokens:
            yield _batch(chunk, device)
            chunk = []
        chunk.append(item)
    if chunk:
        yield _batch(chunk, device)


def trained_tokens(items: Sequence[Weighted]) -> int:
    """Sampled tokens of all sequences."""
    return sum(end - start for item in items for start, end in item.sequence.action_ranges)


def _length(item: Weighted) -> int:
    return len(item.sequence.observation_tokens)


def _batch(items: Sequence[Weighted], device: Any) -> MicroBatch:
    width = max(map(_length, items))
    ids = torch.zeros(len(items), width, dtype=torch.long)
    trained = torch.zeros(len(items), width - 1, dtype=torch.bool)
    log_probs: list[float] = []
    lengths = []
    for row, item in enumerate(items):
        sequence = item.sequence
        ids[row, : _length(item)] = torch.tensor(sequence.observation_tokens)
        before = len(log_probs)
        for start, end in sequence.action_ranges:
            # The token at `start` is predicted from the one before it.
            trained[row, start - 1 : end - 1] = True
            log_probs += sequence.rollout_log_probs[start:end]
        lengths.append(len(log_probs) - before)
    counts = torch.tensor(lengths)
    advantages = torch.tensor([item.advantage for item in items], dtype=torch.float32)
    return MicroBatch(
        ids=ids.to(device),
        trained=trained.to(device),
        owner=torch.arange(len(items)).repeat_interleave(counts).to(device),
        lengths=counts.to(device),
        rollout_log_probs=torch.tensor(log_probs, dtype=torch.float32).to(device),
        advantages=advantages.repeat_interleave(counts).to(device),
    )
