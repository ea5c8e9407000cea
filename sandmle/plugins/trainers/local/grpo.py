"""One update of trajectory-wise GRPO. Left out on purpose: a critic, a reward model, token-level credit.

All sampled tokens of a trajectory, in all of its segments, share the advantage of its reward within its group.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from sandmle.core.errors import PluginError
from sandmle.plugins.trainers.local.batches import MicroBatch, Weighted, micro_batches, trained_tokens
from sandmle.plugins.trainers.local.config import GrpoConfig
from sandmle.plugins.trainers.local.corrections import weigh
from sandmle.plugins.trainers.local.losses import (
    GAPS,
    STALE_GAP,
    Clip,
    action_log_probs,
    clipped_share,
    k3,
    policy_loss,
    token_weights,
)
from sandmle.plugins.trainers.local.optimizing import Optimizer


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateReport:
    """Means over the sampled tokens of an update, but for `loss` and `grad_norm`: means over minibatches."""

    loss: float
    grad_norm: float
    entropy: float
    nll: float
    clipped: float
    kl: float
    is_weight: float
    """What losses were multiplied by for samples of another policy; 1 without a correction."""
    is_filtered: float
    """Share of tokens that this left out or cut off."""
    rollout_gap: float
    """Of |rollout - recomputed log-prob| in the first minibatch, before any update."""
    tokens: int


class Grpo:
    """Updates one module."""

    def __init__(
        self, module: Any, config: GrpoConfig, temperature: float, reference: Any | None, *, dtype: str = "float32"
    ) -> None:
        self._module = module
        self._rollout_gap = config.rollout_gap or (STALE_GAP if config.stale_steps else GAPS[dtype])
        self._correction = config.correction()
        self._config = config
        self._temperature = temperature
        self._reference = reference
        self._clip = Clip(low=config.clip_low, high=config.clip_high)
        self._device = next(module.parameters()).device
        self._shares = not config.gradient_checkpointing

    def update(
        self,
        items: Sequence[Weighted],
        optimizer: Optimizer,
        *,
        step: int,
        rng: random.Random,
        kept: str,
        seen: Callable[[Iterable[MicroBatch]], None] = lambda batches: None,
    ) -> UpdateReport:
        """Train on the sequences of a step, `epochs` times, in minibatches of whole trajectories.

        Args:
            items: sequences of kept groups.
            optimizer: of the module's trainable parameters.
            step: counted from 1; decides the learning rate.
            rng: shuffles trajectories into minibatches.
            kept: where the last good checkpoint is.
            seen: shown every batch before the first is trained on.

        Raises:
            RunError: a loss or gradient is no finite number.
            PluginError: the rollouts' log-probs are not those of these weights.
        """
        parts = [
            list(micro_batches(part, self._config.micro_batch_tokens, self._device, share_prompts=self._shares))
            for part in self._split(items, rng)
        ]
        seen(batch for part in parts for batch in part)
        again = self._config.epochs > 1
        old = [[self._old(batch) for batch in part] if number or again else None for number, part in enumerate(parts)]
        totals = _Totals()
        self._module.train()
        try:
            for epoch in range(self._config.epochs):
                for number, part in enumerate(parts):
                    before = None if epoch == number == 0 else old[number]
                    loss = self._accumulate(part, before, totals)
                    totals.add_minibatch(loss, optimizer.update(step, loss, kept))
        finally:
            optimizer.zero()
            self._module.eval()
        return totals.report(trained_tokens(items))

    def _split(self, items: Sequence[Weighted], rng: random.Random) -> list[list[Weighted]]:
        owners = sorted({item.sequence.episode_id for item in items})
        rng.shuffle(owners)
        count = min(self._config.minibatches, len(owners))
        part_of = {owner: number % count for number, owner in enumerate(owners)}
        parts: list[list[Weighted]] = [[] for _ in range(count)]
        for item in items:
            parts[part_of[item.sequence.episode_id]].append(item)
        return parts

    def _old(self, batch: MicroBatch) -> torch.Tensor:
        """What the ratio of a later minibatch is taken against; the first one's is its own pass, before any update."""
        if self._config.old_log_probs == "rollout":
            return batch.rollout_log_probs
        with torch.no_grad():
            return action_log_probs(self._module, batch, self._temperature)[0]

    def _accumulate(self, part: list[MicroBatch], old: list[torch.Tensor] | None, totals: "_Totals") -> float:
        """Add a minibatch's gradient; gives its loss. The first minibatch has no old log-probs yet."""
        tokens = sum(len(batch.owner) for batch in part)
        sequences = sum(len(batch.lengths) for batch in part)
        loss = 0.0
        for at, batch in enumerate(part):
            new, entropy = action_log_probs(self._module, batch, self._temperature)
            if old is None:
                totals.add_gaps((new.detach() - batch.rollout_log_probs).abs())
            before = self._first(new, batch) if old is None else old[at]
            per_token = policy_loss(new, before, batch.advantages, self._clip)
            coefficient, filtered = self._weigh(before, batch)
            if self._correction.level != "off":
                per_token = coefficient * per_token
            divergence = self._divergence(new, batch)
            weights = token_weights(batch, self._config.aggregate, tokens=tokens, sequences=sequences)
            # As in OpenRLHF, the divergence is a mean over tokens however the policy's losses are weighted.
            micro_loss = (per_token * weights).sum() + self._config.kl * divergence.sum() / tokens
            micro_loss.backward()
            loss += float(micro_loss.detach())
            totals.add(
                entropy=entropy,
                nll=-new.detach(),
                clipped=clipped_share(new, before, batch.advantages, self._clip),
                kl=divergence.detach(),
                is_weight=coefficient,
                is_filtered=filtered.float(),
            )
        if totals.gap > self._rollout_gap:
            raise PluginError(
                f"the rollouts' log-probs are {totals.gap:.3g} nats per token away from those of the weights that are "
                "trained (plugin.trainer.local.grpo.rollout_gap sets the limit): the episodes were sampled from "
                "another policy"
            )
        return loss

    def _first(self, new: torch.Tensor, batch: MicroBatch) -> torch.Tensor:
        return batch.rollout_log_probs if self._config.old_log_probs == "rollout" else new.detach()

    def _weigh(self, before: torch.Tensor, batch: MicroBatch) -> tuple[torch.Tensor, torch.Tensor]:
        if self._correction.level == "off":
            return torch.ones_like(before), torch.zeros_like(before)
        return weigh(before, batch, self._correction)

    def _divergence(self, new: torch.Tensor, batch: MicroBatch) -> torch.Tensor:
        if self._reference is None:
            return torch.zeros_like(new)
        with torch.no_grad():
            reference, _ = action_log_probs(self._reference, batch, self._temperature)
        return k3(new, reference)


class _Totals:
    """Sums over tokens and minibatches."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}
        self._tokens = 0
        self._minibatches: list[tuple[float, float]] = []
        self._gaps: list[torch.Tensor] = []

    @property
    def gap(self) -> float:
        """Mean absolute difference between rollout and recomputed log-probs."""
        return float(torch.cat(self._gaps).mean())

    def add_gaps(self, gaps: torch.Tensor) -> None:
        self._gaps.append(gaps)

    def add(self, **values: torch.Tensor) -> None:
        self._tokens += len(next(iter(values.values())))
        for name, value in values.items():
            self._sums[name] = self._sums.get(name, 0.0) + float(value.sum())

    def add_minibatch(self, loss: float, grad_norm: float) -> None:
        self._minibatches.append((loss, grad_norm))

    def report(self, tokens: int) -> UpdateReport:
        means = {name: value / self._tokens for name, value in self._sums.items()}
        losses, norms = zip(*self._minibatches, strict=True)
        return UpdateReport(
            loss=sum(losses) / len(losses),
            grad_norm=sum(norms) / len(norms),
            entropy=means["entropy"],
            nll=means["nll"],
            clipped=means["clipped"],
            kl=means["kl"],
            is_weight=means["is_weight"],
            is_filtered=means["is_filtered"],
            rollout_gap=self.gap,
            tokens=tokens,
        )
