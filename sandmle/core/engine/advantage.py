"""Rewards of a group in, advantages out. Pure, and number for number OpenRLHF's `group_norm` and `dr_grpo`."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean, stdev
from typing import Final

STD_EPS: Final = 1e-9
"""Added to the standard deviation, as in OpenRLHF."""
SPREAD_EPS: Final = 1e-9
"""Rewards closer than this are one reward: sums of weights in another order differ in their last bits."""


class Estimator(StrEnum):
    """How a reward becomes an advantage within its group."""

    GROUP_NORM = "group_norm"
    """GRPO: less the group's mean, over its unbiased standard deviation."""
    DR_GRPO = "dr_grpo"
    """Less the group's mean only."""


class Verdict(StrEnum):
    """Whether a group teaches anything."""

    KEPT = "kept"
    TOO_FEW = "too_few"
    """Fewer than two episodes have a reward: the infrastructure failed the others."""
    ZERO_VARIANCE = "zero_variance"
    """All rewards are equal: every advantage would be 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupAdvantages:
    """What came of one group."""

    verdict: Verdict
    advantages: tuple[float | None, ...]
    """One per reward given, in order; None for an episode without one, and for all when the group is dropped."""


def group_advantages(rewards: Sequence[float | None], estimator: Estimator) -> GroupAdvantages:
    """Advantages within a group; a reward of None (infrastructure, or not computed) enters no statistic.

    Formulas: DeepSeekMath (GRPO) with the unbiased deviation, as OpenRLHF has it; Dr. GRPO without the division.
    """
    known = [reward for reward in rewards if reward is not None]
    nothing = (None,) * len(rewards)
    if len(known) < 2:
        return GroupAdvantages(verdict=Verdict.TOO_FEW, advantages=nothing)
    if max(known) - min(known) <= SPREAD_EPS:
        return GroupAdvantages(verdict=Verdict.ZERO_VARIANCE, advantages=nothing)
    mean = fmean(known)
    scale = stdev(known) + STD_EPS if estimator is Estimator.GROUP_NORM else 1.0
    advantages = tuple(None if reward is None else (reward - mean) / scale for reward in rewards)
    return GroupAdvantages(verdict=Verdict.KEPT, advantages=advantages)
