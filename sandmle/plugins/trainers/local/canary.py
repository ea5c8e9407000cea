"""Sees that what generates is what is trained: stock engines have been known to go on with stale weights."""

from typing import Final

import torch

from sandmle.core.contracts.policy import TrainablePolicy
from sandmle.core.engine.training import TrainingSequence
from sandmle.core.errors import PluginError
from sandmle.core.types.message import Message, ReplyOptions
from sandmle.plugins.trainers.local.batches import Weighted, micro_batches
from sandmle.plugins.trainers.local.losses import action_log_probs

TOLERANCE: Final = 1e-3
"""Nats per token; float32 gives about 1e-6, one update of a stale copy far more."""
PROMPT: Final = Message(role="user", content="This is a fixed question of the trainer to the model that generates.")
TOKENS: Final = 8


async def check_sync(policy: TrainablePolicy, temperature: float) -> float:
    """Compare the log-probs of a fixed question's answer under the generator and under the trainer.

    Returns:
        The largest absolute difference.

    Raises:
        PluginError: they differ.
    """
    options = ReplyOptions(temperature=temperature or 1.0, max_tokens=TOKENS, sample_index=0)
    reply = await policy.reply([PROMPT], options)
    prompt, sampled, log_probs = reply.prompt_ids or (), reply.sampled_ids or (), reply.log_probs or ()
    sequence = TrainingSequence(
        episode_id="canary",
        segment=0,
        observation_tokens=(*prompt, *sampled),
        action_ranges=((len(prompt), len(prompt) + len(sampled)),),
        rollout_log_probs=(*[0.0] * len(prompt), *log_probs),
        reward=None,
        truncated=False,
    )
    device = next(policy.module.parameters()).device
    [batch] = micro_batches([Weighted(sequence=sequence, advantage=0.0)], 1, device)
    with torch.no_grad():
        ours, _ = action_log_probs(policy.module, batch, options.temperature)
    gap = float((ours - batch.rollout_log_probs).abs().max())
    if not gap <= TOLERANCE:
        raise PluginError(
            f"policy-sync canary: the model that generates gives log-probs {gap:.3g} away from the trained weights, "
            f"so it generates with others; llm plugin {policy.name.partition('/')[0]!r} must use the module it hands "
            "out and forget what it computed before when weights_changed() is called"
        )
    return gap
