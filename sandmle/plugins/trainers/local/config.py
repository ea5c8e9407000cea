"""What can be configured about the local trainer."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sandmle.core.contracts.policy import AdapterShape, PolicyShape
from sandmle.core.engine.advantage import Estimator
from sandmle.core.types.trajectory import StopReason

Positive = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Level = Literal["off", "token", "seq"]
Mode = Literal["mask", "clip"]
Gating = Literal["ratio", "binary_kl", "tv"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """How samples are weighed; the fields are OpenRLHF's `algo.advantage.is_correction_*`."""

    level: Level
    """Whether the bounds hold for each token, or for the mean over a sequence."""
    mode: Mode
    """`mask` leaves out what is beyond the bounds; `clip` cuts its weight off at them."""
    gating: Gating
    """What is bounded: the importance ratio, or how far apart the two probabilities of the sampled token are."""
    low: float
    high: float

    def problem(self) -> str | None:
        """Why these do not go together, if they do not."""
        if self.level == "off":
            return None
        if self.mode == "clip" and (self.level == "seq" or self.gating != "ratio"):
            return "is_correction_mode = clip needs is_correction_level = token and is_correction_gating = ratio"
        if self.gating != "ratio" and self.low > 0:
            return f"is_correction_gating = {self.gating} is bounded from above only: set the lower threshold to 0"
        return None


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ShapeConfig(_Section):
    """`[plugin.trainer.local.shape]`: the decoder that `train sft` makes from scratch."""

    layers: Positive = 3
    hidden: Positive = 128
    heads: Positive = 4
    key_value_heads: Positive = 4
    feed_forward: Positive = 384
    context_tokens: Positive = 4096
    vocabulary: Positive = 2048

    def shape(self) -> PolicyShape:
        return PolicyShape(**self.model_dump())


class OptimizerConfig(_Section):
    """Shared by both methods: AdamW with warm-up, constant, then linear decay."""

    warmup_steps: Annotated[int, Field(ge=0)] = 5
    decay_from: Share = 0.6
    """Share of all steps after which the learning rate falls."""
    final_share: Share = 0.1
    """Share of the learning rate that is left in the end."""
    grad_clip: Annotated[float, Field(gt=0)] = 1.0
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    micro_batch_tokens: Positive = 16_384
    """Tokens in one forward pass, padding included; more are accumulated."""
    gradient_checkpointing: bool = False
    """Compute each layer, and the output head in pieces, a second time in the backward pass in place of keeping what
    they came to: memory for a quarter to a third more time. A prompt is then read with each of its sequences."""


class SftConfig(OptimizerConfig):
    """`[plugin.trainer.local.sft]`: learn to speak as the demonstrations do, their author's tokens only."""

    epochs: Positive = 8
    learning_rate: Annotated[float, Field(gt=0)] = 3e-3
    batch_sequences: Positive = 32
    keep: Literal["all", "valid", "medal"] = "all"
    """Which demonstrations: all, those with a valid submission, or those with a medal."""


class GrpoConfig(OptimizerConfig):
    """`[plugin.trainer.local.grpo]`: trajectory-wise GRPO on the sampled ids."""

    steps: Positive = 80
    tasks_per_step: Positive = 8
    group_size: Annotated[int, Field(ge=2)] = 8
    adapter: bool = True
    """Train a LoRA adapter; otherwise all weights."""
    rank: Positive = 32
    alpha: Annotated[float, Field(gt=0)] = 64.0
    learning_rate: Annotated[float, Field(gt=0)] | None = None
    """None takes 1.2e-3 with an adapter and 2e-4 without, as measured on policies of 0.7 M parameters."""
    estimator: Estimator = Estimator.GROUP_NORM
    clip_low: Annotated[float, Field(gt=0, lt=1)] = 0.2
    clip_high: Annotated[float, Field(gt=0)] = 0.28
    aggregate: Literal["token-mean", "seq-mean-token-mean"] = "token-mean"
    kl: Annotated[float, Field(ge=0)] = 0.0
    """Weight of the k3 estimate of the divergence from the policy that training began with; 0 needs none."""
    is_correction_level: Level = "off"
    """Weigh samples by how much likelier the weights before the update are to sample them than the policy that did:
    `token` by token, or with bounds on the mean over a sequence (`seq`). Names and numbers are OpenRLHF 0.11.2's."""
    is_correction_mode: Mode = "mask"
    """`mask` leaves out what is beyond the thresholds; `clip` cuts its weight off at them (`token`, `ratio`)."""
    is_correction_gating: Gating = "ratio"
    """What the thresholds are for: the importance ratio, or the divergence (`binary_kl`, `tv`) of the sampled token's
    two probabilities, which is bounded from above only."""
    is_correction_threshold: tuple[Annotated[float, Field(ge=0)], Annotated[float, Field(gt=0)]] = (0.5, 5.0)
    """Low and high."""
    stale_steps: Annotated[int, Field(ge=0)] = 0
    """Train on the episodes that were played so many steps earlier, as a trainer does that plays and updates at the
    same time; the first steps then only play. Needs a correction, or `old_log_probs = "rollout"`."""
    old_log_probs: Literal["recomputed", "rollout"] = "recomputed"
    """What the importance ratio is taken against: a forward pass before the update, as in OpenRLHF, or the
    rollout's own numbers. Both agree to about 1e-6; the former makes a resumed run's losses equal bit for bit."""
    rollout_gap: Annotated[float, Field(gt=0)] | None = None
    """Mean absolute difference between rollout and recomputed log-probs beyond which training stops. None takes 0.02
    in float32 and 0.1 in bfloat16 (`losses.GAPS` says why), and 1 for stale samples."""
    reward_canary: bool = True
    """Before the first step, train a toy for some seconds and stop when its reward does not rise."""
    minibatches: Positive = 2
    epochs: Positive = 1
    """Passes over a step's trajectories."""
    mask_truncated: bool = False
    """Leave sequences whose last turn was cut by the token limit out of the loss; they still count in their group."""
    masked_stops: tuple[StopReason, ...] = ()
    """Episodes that ended so count in their group and are left out of the loss; the paper does so with `deadline`."""
    refills: Annotated[int, Field(ge=0)] = 1
    """Times per step that groups without variance are replaced by groups of other tasks."""
    evaluate_every: Annotated[int, Field(ge=0)] = 10
    """Steps between evaluations on the validation tasks; 0 for none."""
    validation_group_size: Positive = 2
    best_by: Literal["reward", "any_medal", "human_rank"] = "any_medal"
    keep_checkpoints: Positive = 2

    def correction(self) -> Correction:
        low, high = self.is_correction_threshold
        return Correction(
            level=self.is_correction_level,
            mode=self.is_correction_mode,
            gating=self.is_correction_gating,
            low=low,
            high=high,
        )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if problem := self.correction().problem():
            raise ValueError(problem)
        if self.is_correction_threshold[0] > self.is_correction_threshold[1]:
            raise ValueError("the lower is_correction_threshold is above the higher one")
        by_rollout = self.old_log_probs == "rollout"
        if self.is_correction_level != "off" and by_rollout:
            raise ValueError(
                'is_correction_level needs old_log_probs = "recomputed": the rollout is what is corrected for'
            )
        if self.stale_steps and self.is_correction_level == "off" and not by_rollout:
            raise ValueError(
                'stale_steps without a correction is biased: set is_correction_level to "token" or "seq", or '
                'old_log_probs to "rollout"'
            )
        return self

    def rate(self) -> float:
        return self.learning_rate or (1.2e-3 if self.adapter else 2e-4)

    def adapter_shape(self) -> AdapterShape:
        return AdapterShape(rank=self.rank, alpha=self.alpha)


class LocalTrainerConfig(_Section):
    """`[plugin.trainer.local]`."""

    policy: Path | None = None
    """Checkpoint to start GRPO from."""
    validation: Path | None = None
    """Directory of validation tasks."""
    shape: ShapeConfig = Field(default_factory=ShapeConfig)
    sft: SftConfig = Field(default_factory=SftConfig)
    grpo: GrpoConfig = Field(default_factory=GrpoConfig)
