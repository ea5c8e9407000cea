"""Rewards as named parts, and the presets that weigh them."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardBreakdown:
    """A reward and what it is made of. None means not computed, which is not the same as 0."""

    preset: str
    total: float | None
    """Sum of weight x value over the parts; None when any part was not computed."""
    parts: Mapping[str, float | None]
    """Milestone name to its value in [0, 1], unweighted."""
    weights: Mapping[str, float]


PRESETS: Final[Mapping[str, Mapping[str, float]]] = MappingProxyType(
    {
        # SandMLE paper, dense reward: weights of cumulative indicators, as transcribed by readers of the paper.
        "paper": MappingProxyType(
            {"format": 0.1, "execute": 0.3, "median": 0.1, "bronze": 0.2, "silver": 0.2, "gold": 0.1}
        ),
        # SandMLE released code, dense reward, rewritten from exclusive tiers to increments with the same sums.
        "release": MappingProxyType(
            {"format": 0.1, "valid": 0.2, "median": 0.1, "bronze": 0.4, "silver": 0.1, "gold": 0.1}
        ),
        # SandMLE released code, sparse ablation.
        "sparse": MappingProxyType({"format": 0.1, "gold": 0.9}),
    }
)
"""Preset name to milestone weights. Configuration can add presets and change these."""
