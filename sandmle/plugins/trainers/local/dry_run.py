"""What a dry run says of the local trainer: the configuration in words, and the estimate. Pure."""

from typing import Any, Final

import tomli_w

from sandmle.core.engine.settings import RunSettings
from sandmle.plugins.trainers.dry_run import estimated
from sandmle.plugins.trainers.estimate import Plan
from sandmle.plugins.trainers.local.config import LocalTrainerConfig
from sandmle.plugins.trainers.recipes import Recipe, facts_of

LOCAL_SHARE: Final = 0.15
"""Of the memory's bandwidth, reached while decoding in the local trainer: no fused kernels, no paged caches."""


def local_estimate(config: LocalTrainerConfig, run: RunSettings, recipe: Recipe | None, pairs: list[str]) -> Any:
    """The estimate of a local GRPO run as JSON."""
    policy = str(config.policy) if config.policy else recipe.model if recipe else None
    facts = facts_of(policy)
    known = facts.context_tokens if facts else config.shape.context_tokens
    plan = Plan(
        steps=config.grpo.steps,
        trajectories=config.grpo.tasks_per_step * config.grpo.group_size,
        devices=1,
        max_tokens=min(known, 40_960),
        episode_timeout_s=run.episode_timeout_s,
        adapter=config.grpo.adapter,
        kl=bool(config.grpo.kl),
    )
    base = {"bandwidth_share": LOCAL_SHARE, **(recipe.assume if recipe else {})}
    return estimated(plan, facts, base, pairs)


def config_words(config: LocalTrainerConfig, run: RunSettings, name: str) -> str:
    """The resolved sections as TOML."""
    section = config.model_dump(mode="json", exclude_none=True)
    return tomli_w.dumps(
        {"run": run.model_dump(mode="json", exclude_none=True), "plugin": {"trainer": {name: section}}}
    )
