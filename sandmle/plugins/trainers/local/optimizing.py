"""The optimizer with its schedule, and the refusal to go on from a number that is none."""

import math
from typing import Any

import torch

from sandmle.core.errors import RunError
from sandmle.plugins.trainers.local.config import OptimizerConfig


def prepare(module: Any, config: OptimizerConfig) -> None:
    """Have the module compute its layers twice where the configuration says so."""
    if config.gradient_checkpointing:
        module.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})


class Optimizer:
    """AdamW over what requires a gradient; the learning rate is a function of the step alone."""

    def __init__(self, module: Any, config: OptimizerConfig, rate: float, steps: int) -> None:
        self._parameters = [one for one in module.parameters() if one.requires_grad]
        if any(one.dtype is not torch.float32 for one in self._parameters):
            raise ValueError("weights that are trained must be float32: smaller updates would round to nothing")
        self._adamw = torch.optim.AdamW(self._parameters, lr=rate, weight_decay=config.weight_decay)
        self._config = config
        self._rate = rate
        self._steps = steps

    def rate_at(self, step: int) -> float:
        """The learning rate of a step, counted from 1."""
        config = self._config
        if step <= config.warmup_steps:
            return self._rate * step / config.warmup_steps
        begin = config.decay_from * self._steps
        if step <= begin or begin >= self._steps:
            return self._rate
        gone = (step - begin) / (self._steps - begin)
        return self._rate * (1 - (1 - config.final_share) * min(1.0, gone))

    def zero(self) -> None:
        self._adamw.zero_grad(set_to_none=True)

    def update(self, step: int, loss: float, kept: str) -> float:
        """Take the accumulated gradient; gives its norm before clipping.

        Args:
            step: counted from 1.
            loss: what the gradient is of.
            kept: where the last good checkpoint is, for the message.

        Raises:
            RunError: loss or gradient is not a finite number; no weight has been changed by it.
        """
        norm = float(torch.nn.utils.clip_grad_norm_(self._parameters, self._config.grad_clip))
        if not (math.isfinite(loss) and math.isfinite(norm)):
            self.zero()
            # Moments are there from the first update on.
            advice = (
                f"The last good checkpoint is {kept}; start from it in another directory with a lower learning rate"
                if self._adamw.state
                else "No weight has been updated yet: the policy that it began with, or what it is to learn, is broken"
            )
            raise RunError(
                f"step {step}: the loss is {loss} and the gradient's norm {norm}; training has stopped. {advice}"
            )
        for group in self._adamw.param_groups:
            group["lr"] = self.rate_at(step)
        self._adamw.step()
        self.zero()
        return norm

    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = self._adamw.state_dict()
        return state

    def restore(self, state: dict[str, Any]) -> None:
        """Go on with the moments of an earlier start.

        Raises:
            RunError: they are of other weights.
        """
        try:
            self._adamw.load_state_dict(state)
            moments = self._adamw.state
            fits = all(moments[one]["exp_avg"].shape == one.shape for one in self._parameters if one in moments)
        except (AttributeError, KeyError, TypeError, ValueError):
            fits = False
        if not fits:
            raise RunError(
                "the trainer.pt of the newest checkpoint is of other weights than those that are trained: put back its "
                "own, or remove that checkpoint to go on from the one before it"
            )
