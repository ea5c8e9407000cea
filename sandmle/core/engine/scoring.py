"""Episode in, reward out: a preset is a list of milestones with weights, both chosen by name."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from sandmle.core.contracts.milestone import Milestone
from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.errors import ConfigError, PluginError, StoreError, boundary, nearest
from sandmle.core.hooks.registry import Kind
from sandmle.core.types.episode import Episode, Outcome
from sandmle.core.types.reward import RewardBreakdown


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """A reward preset with its milestones built."""

    name: str
    weights: Mapping[str, float]
    milestones: tuple[Milestone, ...]


def open_preset(toolkit: Toolkit, name: str) -> Preset:
    """Build a reward preset from the configuration.

    Raises:
        ConfigError: no such preset or milestone (the nearest is named), or a weight that is no number.
    """
    presets = toolkit.settings.reward.presets
    if name not in presets:
        raise ConfigError(f"no reward preset named {name!r}; {nearest(name, list(presets))}")
    weights = presets[name]
    known = toolkit.registry.names(Kind.MILESTONE)
    for milestone, weight in weights.items():
        if milestone not in known:
            raise ConfigError(f"reward.presets.{name}: no milestone named {milestone!r}; {nearest(milestone, known)}")
        if not math.isfinite(weight):
            raise ConfigError(f"reward.presets.{name}.{milestone}: a weight is a finite number, not {weight}")
    made = tuple(toolkit.make(Kind.MILESTONE, milestone) for milestone in weights)
    return Preset(name=name, weights=dict(weights), milestones=made)


def reward_of(episode: Episode, preset: Preset) -> RewardBreakdown | None:
    """Judge a finished episode. One that the infrastructure failed has no reward, which is not a reward of 0.

    Raises:
        PluginError: a milestone failed, or gave something other than None or a number in [0, 1].
    """
    if episode.outcome is Outcome.INFRASTRUCTURE:
        return None
    parts = {
        name: _value(milestone, name, episode)
        for name, milestone in zip(preset.weights, preset.milestones, strict=True)
    }
    terms = [None if value is None else preset.weights[name] * value for name, value in parts.items()]
    known = [term for term in terms if term is not None]
    total = math.fsum(known) if len(known) == len(terms) else None
    return RewardBreakdown(preset=preset.name, total=total, parts=parts, weights=dict(preset.weights))


def _value(milestone: Milestone, name: str, episode: Episode) -> float | None:
    try:
        with boundary(StoreError, "judging"):
            value = milestone.value(episode)
    except StoreError as problem:
        raise PluginError(
            f"milestone {name!r} failed on episode {episode.episode_id}: {problem.__cause__!r}; "
            "it must give a number in [0, 1] or None for any finished episode"
        ) from problem
    if value is not None and not (isinstance(value, int | float) and 0 <= value <= 1):
        raise PluginError(
            f"milestone {name!r} gave {value!r} for episode {episode.episode_id}; give a number in [0, 1] or None"
        )
    return value
