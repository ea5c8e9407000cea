"""What a training will take: GPU-hours and sandbox-hours, by a formula whose every input is shown and can be given.

Per step, with n = tasks x episodes trajectories of T tokens each, of which S are sampled, on G devices:

    rollout  = n S / (G x tokens_per_s) + turns x cell_s
    training = n T x flops_per_token / (G x peak_tflops x 1e12 x mfu)
    step     = rollout + training + overhead_s

    flops_per_token = passes x (2 x active parameters + attention)
    attention       = 4 x layers x heads x head size x T / 2          one token, forward, at the mean position
    passes          = 1 old log-probs + 1 forward + 1 recomputed + 2 backward (1 below an adapter) + 1 with KL

    device-hours  = G x step x steps / 3600
    sandbox-hours = n x rollout x steps / 3600        sessions open; of which code runs: n x turns x cell_s

Where `tokens_per_s` is not given, decoding is taken to be bound by memory: with b = n / G trajectories at a time, one
token of each takes (weights read + b x T/2 x bytes of keys and values per token) / (bandwidth x share), in bf16.
Evaluations and start-up are not counted. Nothing here is measured: two digits are shown, and they are generous.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from math import floor, isfinite, log10
from typing import Any, Final

from sandmle.core.errors import ConfigError, nearest
from sandmle.plugins.trainers.models import BF16_BYTES, ModelFacts

DIGITS: Final = 2
_COMPUTED: Final = ("trajectory_tokens", "sampled_tokens", "tokens_per_s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """What nobody has measured for this run. The defaults are round figures for one H100 and the paper's tasks."""

    device: str = "gpu"
    """What the hours are of: `gpu` or `cpu`."""
    devices: float | None = None
    """None takes those that the run is given."""
    parameters: float | None = None
    """Weights that one token passes through; None takes the model's."""
    trajectory_tokens: float | None = None
    """Mean tokens of a whole trajectory; None takes half of the most there may be."""
    sampled_tokens: float | None = None
    """Of those, sampled by the policy; None takes half."""
    turns: float = 10
    """Executions of code per episode."""
    cell_s: float = 14.31
    """Mean seconds of one; the paper's figure for its synthetic tasks."""
    tokens_per_s: float | None = None
    """Sampled per device, all trajectories on it together; None computes it from the memory's bandwidth."""
    bandwidth_gb_s: float = 3350
    """Of a device's memory; that of an H100."""
    bandwidth_share: float = 0.5
    """Of it, reached while decoding."""
    peak_tflops: float = 989
    """Dense bf16 of an H100."""
    mfu: float = 0.3
    """Of it, reached while training."""
    overhead_s: float = 60
    """Per step: waking and putting to sleep, weight sync, checkpoints."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the configuration says of the work."""

    steps: int
    trajectories: int
    """Per step."""
    devices: int
    max_tokens: int
    """Of one trajectory."""
    episode_timeout_s: float
    adapter: bool
    kl: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Seconds of one step and hours of all."""

    inputs: dict[str, Any]
    rollout_s: float
    training_s: float
    step_s: float
    device_hours: float
    wall_hours: float
    sandbox_hours: float
    """Sessions open, busy or not."""
    sandbox_busy_hours: float
    """Of them, running code."""

    def as_json(self) -> dict[str, Any]:
        unit = self.inputs["device"]
        values = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "inputs"}
        values[f"{unit}_hours"] = values.pop("device_hours")
        return {"inputs": self.inputs, **{name: rounded(value) for name, value in values.items()}}


def parse_assumptions(base: Mapping[str, Any], pairs: list[str]) -> Assumptions:
    """Defaults, over them a recipe's, over them `KEY=VALUE` of the command line.

    Raises:
        ConfigError: an unknown key, or a value that is no positive number.
    """
    known = {one.name for one in fields(Assumptions)}
    found = dict(base)
    for pair in pairs:
        key, equals, text = pair.partition("=")
        key = key.strip()
        if not equals or key not in known:
            raise ConfigError(f"--assume {pair!r}: write it as KEY=NUMBER; {nearest(key, sorted(known))}")
        found[key] = text.strip() if key == "device" else _positive(pair, text)
    assumed = Assumptions(**found)
    if assumed.device not in ("gpu", "cpu"):
        raise ConfigError(f"--assume device={assumed.device}: it is gpu or cpu")
    return assumed


def estimate(plan: Plan, facts: ModelFacts | None, assumed: Assumptions) -> Estimate:
    """Apply the formula of this module.

    Raises:
        ConfigError: the model's size is not known and nobody gave it.
    """
    parameters = assumed.parameters or (facts.active_parameters if facts else None)
    if parameters is None:
        raise ConfigError(
            "nothing can be estimated: the policy's size is not known; name a folder with its config.json, or give "
            "--assume parameters=8e9"
        )
    total = assumed.trajectory_tokens or plan.max_tokens / 2
    sampled = assumed.sampled_tokens or total / 2
    devices = assumed.devices or float(plan.devices)
    known = replace(assumed, parameters=parameters, trajectory_tokens=total, sampled_tokens=sampled, devices=devices)
    speed = assumed.tokens_per_s or _decoding_speed(plan, facts, known, devices)
    running_s = known.turns * known.cell_s
    rollout_s = plan.trajectories * sampled / (devices * speed) + running_s
    attention = facts.attention_flops(total) if facts else 0.0
    passes = 3 + (1 if plan.adapter else 2) + int(plan.kl)
    flops = plan.trajectories * total * passes * (2 * parameters + attention)
    training_s = flops / (devices * known.peak_tflops * 1e12 * known.mfu)
    step_s = rollout_s + training_s + known.overhead_s
    episodes = plan.trajectories * plan.steps
    return Estimate(
        inputs=_shown(plan, replace(known, tokens_per_s=speed), passes),
        rollout_s=rollout_s,
        training_s=training_s,
        step_s=step_s,
        device_hours=devices * step_s * plan.steps / 3600,
        wall_hours=step_s * plan.steps / 3600,
        sandbox_hours=episodes * min(rollout_s, plan.episode_timeout_s) / 3600,
        sandbox_busy_hours=episodes * min(running_s, plan.episode_timeout_s) / 3600,
    )


def rounded(value: float) -> float:
    """To two digits: more would be invented.

    >>> rounded(1234.5), rounded(0.0567), rounded(0)
    (1200.0, 0.057, 0)
    """
    return round(value, DIGITS - 1 - floor(log10(abs(value)))) if value and isfinite(value) else value


def _decoding_speed(plan: Plan, facts: ModelFacts | None, known: Assumptions, devices: float) -> float:
    at_once = max(1.0, plan.trajectories / devices)
    weights = float(known.parameters or 0)
    if facts is not None:
        # Of many experts, those that nobody of the batch chose are not read.
        unread = (1 - facts.experts_used / facts.experts) ** at_once if facts.experts else 0.0
        experts = facts.parameters - facts.active_parameters - (0 if facts.tied else facts.vocabulary * facts.hidden)
        weights += experts * (1 - unread) if facts.experts else 0.0
    caches = at_once * (known.trajectory_tokens or 0) / 2 * (facts.cache_bytes if facts else 0)
    seconds = (weights * BF16_BYTES + caches) / (known.bandwidth_gb_s * 1e9 * known.bandwidth_share)
    return at_once / seconds


def _shown(plan: Plan, known: Assumptions, passes: int) -> dict[str, Any]:
    values = {one.name: getattr(known, one.name) for one in fields(known)}
    values |= {name: rounded(float(values[name])) for name in ("parameters", *_COMPUTED) if values[name] is not None}
    return {
        **values,
        "steps": plan.steps,
        "trajectories_per_step": plan.trajectories,
        "max_tokens": plan.max_tokens,
        "passes": passes,
    }


def _positive(pair: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not (value > 0 and isfinite(value)):
        raise ConfigError(f"--assume {pair!r}: the value is no positive number")
    return value
