"""Training sequences in, tensors out."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch

from sandmle.core.engine.training import TrainingSequence

LEAST_SAVED: Final = 4096
"""Tokens that reading a prompt once must save on anything but a CPU, where it takes a pass of its own, and the other
one a mask that fused attention has no kernel for: some tens of milliseconds, in which a GPU reads thousands of tokens.
On a CPU every token costs more than either."""


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
    """Sequences of one prompt together where that saves enough, the others by length.

    Which goes where depends on the sequences and the kind of device alone.

    Args:
        items: what is trained.
        most_tokens: of one batch, padding included; a longer sequence is a batch of its own.
        device: where the tensors are to be.
        share_prompts: read the beginning that sequences have in common once, where that saves enough.
    """
    by_prompt: dict[tuple[int, ...], list[Weighted]] = defaultdict(list)
    for item in sorted(items, key=lambda one: (one.sequence.episode_id, one.sequence.segment)):
        # The last token of the prompt predicts the first sampled one, so it is read with the rest.
        by_prompt[_prompt(item)[:-1] if share_prompts else ()].append(item)
    least = 1 if torch.device(device).type == "cpu" else LEAST_SAVED
    alone: list[Weighted] = []
    for prompt, group in sorted(by_prompt.items()):
        for chunk in _chunks(group, len(prompt), most_tokens):
            if len(prompt) * (len(chunk) - 1) >= least:
                yield _batch(chunk, prompt, device)
            else:
                alone += chunk
    for chunk in _chunks(alone, 0, most_tokens):
        yield _batch(chunk, (), device)


def trained_tokens(items: Sequence[Weighted]) -> int:
    """Sampled tokens of all sequences."""
    return sum(end - start for item in items for start, end in item.sequence.action_ranges)


def _prompt(item: Weighted) -> tuple[int, ...]:
    return item.sequence.observation_tokens[: item.sequence.action_ranges[0][0]]


def _chunks(items: Sequence[Weighted], shared: int, most_tokens: int) -> Iterator[list[Weighted]]:
    """By length, as many at a time as there is room for beside so many tokens that all of them share."""
    chunk: list[Weighted] = []
    for item in sorted(items, key=_length):
        if chunk and shared + (_length(item) - shared) * (len(chunk) + 1) > most_tokens:
            yield chunk
            chunk = []
        chunk.append(item)
    if chunk:
        yield chunk


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
