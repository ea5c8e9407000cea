"""Everything about a run that can be said before it is started: what a dry run prints."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sandmle.core.engine.crews import check_names
from sandmle.core.engine.scoring import open_preset
from sandmle.core.engine.tasks import Task
from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.errors import ConfigError
from sandmle.plugins.trainers.holding import played_record, refuse_overlap
from sandmle.plugins.trainers.local.playing import digests, read_tasks
from sandmle.plugins.trainers.models import ModelFacts, whole_policy
from sandmle.plugins.trainers.openrlhf.command import Paths, grpo_flags
from sandmle.plugins.trainers.openrlhf.config import OpenRlhfConfig
from sandmle.plugins.trainers.openrlhf.constraints import check, warnings
from sandmle.plugins.trainers.openrlhf.files import VARIABLE, planned_files, runtime_env
from sandmle.plugins.trainers.openrlhf.placement import Placement, place
from sandmle.plugins.trainers.openrlhf.segments import refuse_native_calls, refuse_segments
from sandmle.plugins.trainers.recipes import facts_of

JOB_CONFIG: Final = "RAY_JOB_CONFIG_JSON_ENV_VAR"
"""Where `ray.init` looks for the runtime environment that whoever started the driver wants: `ray job submit`'s way."""
LOCAL_RAY: Final = "local"
"""Ray's word for a new cluster on this machine, whatever else runs there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A run that has been thought through."""

    config: OpenRlhfConfig
    """With absolute paths."""
    place: Placement
    facts: ModelFacts | None
    paths: Paths
    flags: list[str]
    environment: Mapping[str, str]
    files: Mapping[Path, str]
    record: Mapping[str, Any]
    """What must not change between two starts."""
    warnings: list[str]
    rows: int
    """Of the prompt dataset."""
    tasks: int
    """Different ones in it; 0 where none were named."""


def plan_grpo(toolkit: Toolkit, config: OpenRlhfConfig, *, tasks: Path | None, out: Path) -> Launch:
    """Check the configuration and put together what would be started.

    Args:
        toolkit: plugins and settings.
        config: this trainer's section.
        tasks: folder or manifest of training tasks; None, in a dry run, plans without.
        out: the output directory; need not exist.

    Raises:
        UsageError: something cannot be used, or does not go together; the message says all of it.
    """
    if config.policy is None:
        raise ConfigError(
            "name the model to start from: --policy NAME or FOLDER, or a --recipe (`sandmle train recipes`)"
        )
    settings = toolkit.settings
    run = settings.run
    check_names(toolkit)
    options = settings.options("scaffold", run.scaffold)
    refuse_segments(run.scaffold, options)
    refuse_native_calls(run.scaffold, options)
    config = _absolute(config, tasks)
    facts = facts_of(config.policy)
    placement = place(config, facts)
    check(config, placement, facts, run, open_preset(toolkit, run.reward).weights)
    training = read_tasks(config.tasks) if config.tasks else []
    validation = read_tasks(config.validation) if config.validation and config.grpo.evaluate_every else []
    refuse_overlap(training, validation)
    paths = Paths(out=out.expanduser().resolve())
    return Launch(
        config=config,
        place=placement,
        facts=facts,
        paths=paths,
        flags=grpo_flags(config, placement, run, paths),
        environment=_environment(config, paths),
        files=planned_files(settings, config, training, validation, paths),
        record=_record(toolkit, config, training, validation),
        warnings=warnings(config, placement, facts),
        rows=config.grpo.steps * config.grpo.tasks_per_step,
        tasks=len(training),
    )


def _absolute(config: OpenRlhfConfig, tasks: Path | None) -> OpenRlhfConfig:
    """Workers run elsewhere: no path may depend on the working directory."""
    chosen = tasks or config.tasks
    return config.model_copy(
        update={
            "tasks": chosen.expanduser().resolve() if chosen else None,
            "validation": config.validation.expanduser().resolve() if config.validation else None,
            "policy": whole_policy(str(config.policy)),
        }
    )


def _environment(config: OpenRlhfConfig, paths: Paths) -> dict[str, str]:
    return {
        VARIABLE: str(paths.config),
        "RAY_ADDRESS": config.ray_address or LOCAL_RAY,
        JOB_CONFIG: json.dumps({"runtime_env": runtime_env(paths)}),
        # Every line of the log once, at once, and as it was written: figures are read from it.
        "RAY_DEDUP_LOGS": "0",
        "RAY_COLOR_PREFIX": "0",
        "PYTHONUNBUFFERED": "1",
    }


def _record(
    toolkit: Toolkit, config: OpenRlhfConfig, training: Sequence[Task], validation: Sequence[Task]
) -> dict[str, Any]:
    left_out: dict[str, Any] = {"tasks": True, "validation": True, "grpo": {"reward_canary"}}
    section = config.model_dump(mode="json", exclude_none=True, exclude=left_out)
    return {
        "method": "grpo",
        "trainer": "openrlhf",
        "openrlhf": OpenRlhfConfig.lasting(section),
        **played_record(toolkit),
        "tasks": digests(training),
        "validation": digests(validation),
    }
