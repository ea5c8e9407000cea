"""How much is decoded together, and how often one looks: what a device's memory and its distance decide."""

from dataclasses import dataclass
from typing import Any, Final

import torch

from sandmle.plugins.llms.local.config import LocalConfig
from sandmle.plugins.llms.local.placing import DTYPES

LOOK_EVERY_ON_GPU: Final = 16
NARROW_BELOW_ON_GPU: Final = 0.75
"""Letting go of rows copies all others, which costs more than to carry a few that are over."""
READ_ON_GPU: Final = 32_768
"""Prompt tokens read in one pass, padding included: activations and masks of more would take gigabytes."""
BLOCK: Final = 64
"""Columns by which attention's reach grows where it is no fused kernel of the library: even sizes are fast."""
KEPT_SHARE: Final = 0.25
"""Of the memory for keys and values, what conversations take that are not being decoded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Bounds of one generator."""

    look_every: int
    """Tokens sampled between two looks at whether a reply is over."""
    narrow_below: float
    """Rows that are over are let go of once the others are at most this share."""
    kept_tokens: int
    """Of conversations that are kept."""
    batch_tokens: int | None
    """Of conversations that are decoded together; None where memory is no matter."""
    read_tokens: int | None
    """Of prompts that are read together, padding included."""
    block: int


def pace_of(module: Any, config: LocalConfig) -> Pace:
    """The bounds for a module where it is."""
    device = next(module.parameters()).device
    fused = device.type == "cpu" and config.dtype == "float32"
    block = 1 if fused else BLOCK
    if device.type == "cpu":
        return Pace(
            look_every=config.look_every or 1,
            narrow_below=1.0,
            kept_tokens=config.cached_tokens,
            batch_tokens=None,
            read_tokens=None,
            block=block,
        )
    tokens = int(config.memory_share * _memory_bytes(device)) // bytes_per_token(module, config)
    kept = min(config.cached_tokens, int(KEPT_SHARE * tokens))
    return Pace(
        look_every=config.look_every or LOOK_EVERY_ON_GPU,
        narrow_below=NARROW_BELOW_ON_GPU,
        kept_tokens=kept,
        batch_tokens=max(1, tokens - kept),
        read_tokens=READ_ON_GPU,
        block=block,
    )


def bytes_per_token(module: Any, config: LocalConfig) -> int:
    """Of its keys and values in all layers."""
    shape = module.config
    head = getattr(shape, "head_dim", None) or shape.hidden_size // shape.num_attention_heads
    size: int = DTYPES[config.dtype].itemsize
    return int(2 * shape.num_hidden_layers * shape.num_key_value_heads * head * size)


def _memory_bytes(device: torch.device) -> int:
    total: int = torch.cuda.get_device_properties(device).total_memory
    return total
