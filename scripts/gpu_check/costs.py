"""What a forward pass and an update cost at least, counted from the model's shape and the lengths of the sequences.

Counted: matrix products (two operations for a multiplication and an addition), and attention between tokens that see
each other. Not counted: norms, the optimizer, the loss, padding, and anything done twice to save memory. So the share
of the card's measured speed that comes of it is of useful work.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sandmle.plugins.trainers.local.batches import MicroBatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What some micro-batches hold."""

    tokens: int
    """Read, a beginning that sequences share as often as it is; padding left out."""
    sampled: int
    """Trained: these go through the head."""
    pairs: int
    """Of tokens, one of which sees the other."""


def work_of(batches: Iterable[MicroBatch]) -> Work:
    """Lengths, read off what is trained: every sequence ends with a sampled token."""
    tokens = sampled = pairs = 0
    for batch in batches:
        shared = len(batch.shared)
        tokens += shared
        pairs += shared * (shared + 1) // 2
        for row in batch.trained:
            own = int(row.nonzero().max()) + 2
            tokens += own
            pairs += own * shared + own * (own + 1) // 2
        sampled += len(batch.owner)
    return Work(tokens=tokens, sampled=sampled, pairs=pairs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Of one model."""

    body: int
    """Weights of all blocks' matrices."""
    head: int
    adapters: int
    """Trained weights of an adapter, 0 for none."""
    heads_width: int
    """Layers times the width of all heads together."""
    key_value_numbers: int
    """Numbers kept per token: keys and values of all layers."""

    def update(self, work: Work) -> float:
        """Operations of forward and backward: with an adapter, the gradient of the frozen weights is not taken."""
        passes = 2 if self.adapters else 3
        products = 2 * passes * (self.body * work.tokens + self.head * work.sampled)
        attention = 3 * 4 * self.heads_width * work.pairs
        return products + attention + 6 * self.adapters * work.tokens

    def decoding_bytes(self, rows: int, context: float, width: int) -> float:
        """Bytes that sampling one token per row must read: every weight once, every row's keys and values."""
        return width * (self.body + self.head + self.adapters + rows * context * self.key_value_numbers)


def costs_of(module: Any) -> Costs:
    """Read off a policy's module, an adapter on it or not."""
    base = module.get_base_model() if hasattr(module, "get_base_model") else module
    config = base.config
    adapters = sum(one.numel() for name, one in module.named_parameters() if ".lora_" in name)
    matrices = sum(
        one.numel() for name, one in base.model.layers.named_parameters() if one.dim() == 2 and ".lora_" not in name
    )
    head = base.get_output_embeddings().weight.numel()
    width = config.num_hidden_layers * config.head_dim
    return Costs(
        body=matrices,
        head=head,
        adapters=adapters,
        heads_width=width * config.num_attention_heads,
        key_value_numbers=2 * width * config.num_key_value_heads,
    )
