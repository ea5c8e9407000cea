"""The numbers that are minimized. Each is a sum over a micro-batch, over a weight of the whole minibatch."""

from dataclasses import dataclass
from typing import Any, Final

import torch
from torch.utils.checkpoint import checkpoint

from sandmle.plugins.trainers.local.batches import MicroBatch

GAPS: Final = {"float32": 0.02, "bfloat16": 0.1}
"""Mean absolute difference, in nats per token, between a rollout's log-probs and those of the same weights' forward
pass beyond which they are taken for another policy's. In float32 it is about 1e-6, so that 0.02 is an update or more.
In bfloat16 a logit of 8 to 16 is rounded by up to 2^-5 = 0.03, and generator and trainer, whose sums have other
orders, round apart: 0.003 to 0.03 in the mean is usual, an engine with other weights gives some tenths."""
STALE_GAP: Final = 1.0
"""The same for samples that some updates were made since: these move log-probs by tenths at most."""
FARTHEST: Final = 20.0
"""Largest logarithm of an importance ratio, as in OpenRLHF; past it, exp() would soon be infinite."""
MOST_K3: Final = 10.0
"""Largest value of the k3 estimate, as in OpenRLHF; a token beyond it has no gradient of its divergence."""
HEAD_TOKENS: Final = 2048
"""Sampled tokens whose logits are held at a time under gradient checkpointing: 1.2 GB in float32 at 150,000 words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """How far the importance ratio may move a token: DAPO's clip-higher when `high` exceeds `low`."""

    low: float
    high: float


def action_log_probs(module: Any, batch: MicroBatch, temperature: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probs of the sampled tokens and entropies of the distributions they came from, both [N].

    The head is applied at sampled tokens only; observations and prompts are most of a trajectory.
    """
    base = module.get_base_model() if hasattr(module, "get_base_model") else module
    hidden = _hidden(base.base_model, batch)[:, :-1][batch.trained]
    targets = batch.ids[:, 1:][batch.trained]
    head = base.get_output_embeddings()
    if not base.is_gradient_checkpointing:
        return _picked(head, hidden, targets, temperature)
    pieces = zip(hidden.split(HEAD_TOKENS), targets.split(HEAD_TOKENS), strict=True)
    found = [checkpoint(_picked, head, *piece, temperature, use_reentrant=False) for piece in pieces]
    picked, entropies = zip(*found, strict=True)
    return torch.cat(picked), torch.cat(entropies)


def _picked(
    head: Any, hidden: torch.Tensor, targets: torch.Tensor, temperature: float
) -> tuple[torch.Tensor, torch.Tensor]:
    logits = head(hidden).float() / (temperature or 1.0)
    log_probs = torch.log_softmax(logits, dim=-1)
    picked = log_probs.gather(-1, targets[:, None])[:, 0]
    entropy = -(log_probs.detach().exp() * log_probs.detach()).sum(dim=-1)
    return picked, entropy


def _hidden(backbone: Any, batch: MicroBatch) -> torch.Tensor:
    """Last hidden states of `batch.ids`, [sequences, tokens, width]; gradients reach the shared beginning, too."""
    # Causal attention never looks at the padding on the right.
    if not len(batch.shared):
        plain: torch.Tensor = backbone(input_ids=batch.ids, use_cache=False).last_hidden_state
        return plain
    cache = backbone(input_ids=batch.shared[None], use_cache=True).past_key_values
    cache.batch_repeat_interleave(len(batch.ids))
    before, new = len(batch.shared), batch.ids.shape[1]
    positions = torch.arange(before, before + new, device=batch.ids.device)
    columns = torch.arange(before + new, device=batch.ids.device)
    mask = columns[None, :] <= positions[:, None]
    output = backbone(
        input_ids=batch.ids,
        past_key_values=cache,
        position_ids=positions[None],
        attention_mask=mask[None, None],
        use_cache=True,
    )
    hidden: torch.Tensor = output.last_hidden_state
    return hidden


def policy_loss(new: torch.Tensor, old: torch.Tensor, advantages: torch.Tensor, clip: Clip) -> torch.Tensor:
    """PPO's clipped loss of each token, [N]: -min(r A, clip(r, 1 - low, 1 + high) A) with r = exp(new - old)."""
    ratio = (new - old).clamp(-FARTHEST, FARTHEST).exp()
    clipped = ratio.clamp(1 - clip.low, 1 + clip.high)
    return -torch.minimum(ratio * advantages, clipped * advantages)


def clipped_share(new: torch.Tensor, old: torch.Tensor, advantages: torch.Tensor, clip: Clip) -> torch.Tensor:
    """Tokens whose gradient the clip takes away."""
    ratio = (new.detach() - old).exp()
    return ((advantages > 0) & (ratio > 1 + clip.high) | (advantages < 0) & (ratio < 1 - clip.low)).float()


def k3(new: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """Schulman's low-variance estimate of the divergence from the reference, [N]: e^d - d - 1, d = ref - new."""
    difference = (reference - new).clamp(max=MOST_K3)
    return (difference.exp() - difference - 1).clamp(max=MOST_K3)


def token_weights(batch: MicroBatch, aggregate: str, *, tokens: int, sequences: int) -> torch.Tensor:
    """What each token's loss is multiplied by, [N], so that sums over micro-batches give the minibatch's mean.

    Args:
        batch: one of the micro-batches.
        aggregate: `token-mean`: every token weighs the same; `seq-mean-token-mean`: every sequence does.
        tokens: sampled tokens of the minibatch.
        sequences: of the minibatch.
    """
    if aggregate == "token-mean":
        return torch.full_like(batch.advantages, 1 / tokens)
    return 1 / (batch.lengths[batch.owner].float() * sequences)
