"""The canaries of a policy in this process: what generates is what is trained, and what is trained was sampled."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch

from sandmle.core.contracts.policy import TrainablePolicy
from sandmle.core.engine.training import TrainingSequence
from sandmle.plugins.trainers.canaries.asking import ChatEngine
from sandmle.plugins.trainers.canaries.suspects import adapter_suspects
from sandmle.plugins.trainers.canaries.sync import Engine, Probe, SyncCanary, SyncReport
from sandmle.plugins.trainers.local.batches import MicroBatch, Weighted, micro_batches
from sandmle.plugins.trainers.local.losses import action_log_probs


class PolicyCanary:
    """Looks at one policy, again and again while it is trained."""

    def __init__(self, policy: TrainablePolicy, temperature: float, engine: Engine | None = None) -> None:
        """Look at what generates.

        Args:
            policy: what is trained.
            temperature: that rollouts are sampled with; greedy ones are looked at by sampling.
            engine: what writes rollouts; by default the policy itself.
        """
        self._policy = policy
        self._temperature = temperature or 1.0
        self._engine = engine or ChatEngine(policy, self._temperature)
        self._sync = SyncCanary(policy.dtype)

    async def look(self) -> SyncReport:
        """Compare engine and trainer.

        Raises:
            PluginError: the engine is not token-exact.
            ProviderError: it failed.
        """
        return await self._sync.look(self._engine, self._score, adapter_suspects(self._policy.module, self._score))

    async def check(self) -> float:
        """The largest difference of one token, in nats.

        Raises:
            PluginError: the engine generates with other weights than the trainer's; the message names the cause.
            ProviderError: it failed.
        """
        report = await self.look()
        return report.require(f"llm plugin {self._policy.name.partition('/')[0]!r}")

    def _score(self, probes: Sequence[Probe]) -> Sequence[Sequence[float]]:
        return [_log_probs(self._policy.module, probe, self._temperature) for probe in probes]


async def check_sync(policy: TrainablePolicy, temperature: float) -> float:
    """One look without a memory of others; raises and returns as `PolicyCanary.check`."""
    return await PolicyCanary(policy, temperature).check()


def trained_rows(batches: Iterable[MicroBatch]) -> Iterator[tuple[int, ...]]:
    """The ids that the loss looks at, as the tensors have them, one tuple for each sequence."""
    for batch in batches:
        targets = batch.ids[:, 1:]
        for row, mask in zip(targets, batch.trained, strict=True):
            yield tuple(row[mask].tolist())


def _log_probs(module: Any, probe: Probe, temperature: float) -> list[float]:
    """By the trainer's own batches and pass."""
    prompt, sampled = probe.prompt_ids, probe.sampled_ids
    sequence = TrainingSequence(
        episode_id="canary",
        segment=0,
        observation_tokens=(*prompt, *sampled),
        action_ranges=((len(prompt), len(prompt) + len(sampled)),),
        rollout_log_probs=(*[0.0] * len(prompt), *probe.log_probs),
        reward=None,
        truncated=False,
    )
    device = next(module.parameters()).device
    [batch] = micro_batches([Weighted(sequence=sequence, advantage=0.0)], 1, device)
    with torch.no_grad():
        ours, _ = action_log_probs(module, batch, temperature)
    log_probs: list[float] = ours.tolist()
    return log_probs
