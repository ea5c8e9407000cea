"""Training sequences in, tensors out."""

from collections import defaultdict
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

    shared: torch.Tensor
    """[shared tokens]: the beginning that all sequences have in common, read once for all; may be empty."""
    ids: torch.Tensor
    """[sequences, tokens]: what follows it, padded on the right with 0."""
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


def micro_batches(
    items: Sequence[Weighted], most_tokens: int, device: Any, *, share_prompts: bool = True
) -> Iterator[MicroBatch]:
    """Sequences of one prompt together, the others by length, in an order that depends on the sequences alone.

    Args:
        items: what is trained.
        most_tokens: of one batch, padding included; a longer sequence is a batch of its own.
        device: where the tensors are to be.
        share_prompts: read the beginning that sequences have in common once.
    """
    by_prompt: dict[tuple[int, ...], list[Weighted]] = defaultdict(list)
    for item in sorted(items, key=lambda one: (one.sequence.episode_id, one.sequence.segment)):
        by_prompt[_prompt(item)].append(item)
    if not share_prompts:
        yield from _chunks([one for group in by_prompt.values() for one in group], (), most_tokens, device)
        return
    alone = [group[0] for group in by_prompt.values() if len(group) == 1]
    for prompt, group in sorted(by_prompt.items()):
        if len(group) > 1:
            # The last token of the prompt predicts the first sampled one, so it is read with the rest.
            yield from _chunks(group, prompt[:-1], most_tokens, device)
    yield from _chunks(alone, (), most_tokens, device)


def trained_tokens(items: Sequence[Weighted]) -> int:
    """Sampled tokens of all sequences."""
    return sum(end - start for item in items for start, end in item.sequence.action_ranges)


def _prompt(item: Weighted) -> tuple[int, ...]:
    return item.sequence.observation_tokens[: item.sequence.action_ranges[0][0]]


def _chunks(items: Sequence[Weighted], shared: tuple[int, ...], most_tokens: int, device: Any) -> Iterator[MicroBatch]:
    chunk: list[Weighted] = []
    for item in sorted(items, key=_length):
        if chunk and len(shared) + (_length(item) - len(shared)) * (len(chunk) + 1) > most_tokens:
            yield _batch(chunk, shared, device)
            chunk = []
        chunk.append(item)
    if chunk:
        yield _batch(chunk, shared, device)


def _length(item: Weighted) -> int:
    return len(item.sequence.observation_tokens)


def _batch(items: Sequence[Weighted], shared: tuple[int, ...], device: Any) -> MicroBatch:
    skip = len(shared)
    width = max(map(_length, items)) - skip
    ids = torch.zeros(len(items), width, dtype=torch.long)
    trained = torch.zeros(len(items), width - 1, dtype=torch.bool)
    log_probs: list[float] = []
    lengths = []
    for row, item in enumerate(items):
        sequence = item.sequence
        ids[row, : _length(item) - skip] = torch.tensor(sequence.observation_tokens[skip:])
        before = len(log_probs)
        for start, end in sequence.action_ranges:
            # The token at `start` is predicted from the one before it.
            trained[row, start - 1 - skip : end - 1 - skip] = True
            log_probs += sequence.rollout_log_probs[start:end]
        lengths.append(len(log_probs) - before)
    counts = torch.tensor(lengths)
    advantages = torch.tensor([item.advantage for item in items], dtype=torch.float32)
    return MicroBatch(
        shared=torch.tensor(shared, dtype=torch.long).to(device),
        ids=ids.to(device),
        trained=trained.to(device),
        owner=torch.arange(len(items)).repeat_interleave(counts).to(device),
        lengths=counts.to(device),
        rollout_log_probs=torch.tensor(log_probs, dtype=torch.float32).to(device),
        advantages=advantages.repeat_interleave(counts).to(device),
    )
