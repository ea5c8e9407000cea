"""Corrects for samples of another policy than the one that is trained: number for number as OpenRLHF 0.11.2 does.

A trajectory that was sampled some updates ago, or by an engine that rounds differently, is weighed by how much likelier
the weights before this update are to sample it than the policy that did. Tokens, or whole sequences, for which that is
beyond bounds are left out, or their weights are cut off.
"""

from typing import Final

import torch

from sandmle.plugins.trainers.local.batches import MicroBatch
from sandmle.plugins.trainers.local.config import Correction, Gating

LEAST: Final = 1e-6
"""Probabilities are kept this far from 0 and 1 where a logarithm is taken of them, as in OpenRLHF."""


def weigh(old: torch.Tensor, batch: MicroBatch, correction: Correction) -> tuple[torch.Tensor, torch.Tensor]:
    """What each token's loss is multiplied by, and whether it was left out or cut off; both [N], without gradients.

    Args:
        old: [N], log-probs of the sampled tokens under the weights before the update.
        batch: with the log-probs under the policy that sampled.
        correction: not off.
    """
    rollout = batch.rollout_log_probs
    log_ratio = (old - rollout).detach()
    ratio = log_ratio.exp()
    if correction.gating == "ratio":
        statistic = (_by_sequence(log_ratio, batch) if correction.level == "seq" else log_ratio).exp()
    else:
        statistic = _divergence(rollout, old.detach(), correction.gating)
        statistic = _by_sequence(statistic, batch) if correction.level == "seq" else statistic
    beyond = (statistic < correction.low) | (statistic > correction.high)
    if correction.mode == "clip":
        return statistic.clamp(min=correction.low, max=correction.high), beyond
    return torch.where(beyond, torch.zeros_like(ratio), ratio), beyond


def _divergence(rollout: torch.Tensor, old: torch.Tensor, gating: Gating) -> torch.Tensor:
    p, q = (one.exp().clamp(LEAST, 1 - LEAST) for one in (rollout, old))
    if gating == "tv":
        return (p - q).abs()
    return p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()


def _by_sequence(values: torch.Tensor, batch: MicroBatch) -> torch.Tensor:
    """Each token's value replaced by the mean over its sequence."""
    sums = torch.zeros(len(batch.lengths), dtype=values.dtype, device=values.device).index_add(0, batch.owner, values)
    return (sums / batch.lengths)[batch.owner]
