"""What is written for OpenRLHF: prompts, agent file, resolved configuration, runtime environment."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import tomli_w

from sandmle.core.engine.settings import Settings
from sandmle.core.engine.tasks import Task
from sandmle.core.errors import StoreError
from sandmle.plugins.trainers.openrlhf.command import Paths
from sandmle.plugins.trainers.openrlhf.config import OpenRlhfConfig
from sandmle.plugins.trainers.openrlhf.prompts import prompt_lines, validation_lines

VARIABLE: Final = "SANDMLE_TRAINING"
"""Tells every worker where the resolved configuration is."""
AGENT: Final = '''"""How OpenRLHF plays an episode: written by `sandmle train grpo --trainer openrlhf`."""

from sandmle.plugins.trainers.openrlhf.executor import AgentExecutor

__all__ = ["AgentExecutor"]
'''


def resolved_toml(settings: Settings, config: OpenRlhfConfig) -> str:
    """A configuration file that the toolkit opens: everything resolved, this trainer's section in full."""
    tree = settings.model_dump(mode="json", exclude_none=True, exclude={"synthesis"})
    section = config.model_dump(mode="json", exclude_none=True)
    tree["plugin"].setdefault("trainer", {})["openrlhf"] = section
    return tomli_w.dumps(without_none(tree))


def runtime_env(paths: Paths) -> dict[str, Any]:
    """What Ray gives every worker.

    `RAY_ADDRESS` is emptied because the workers of a cluster that was started here would inherit ours, `local`, and
    vLLM's own processes start another cluster by it.
    """
    return {"env_vars": {VARIABLE: str(paths.config), "RAY_ADDRESS": ""}}


def planned_files(
    settings: Settings, config: OpenRlhfConfig, tasks: Sequence[Task], validation: Sequence[Task], paths: Paths
) -> dict[Path, str]:
    """Every file with its text; without tasks, as in a dry run, no prompts."""
    rows = config.grpo.steps * config.grpo.tasks_per_step
    files = {
        paths.agent: AGENT,
        paths.config: resolved_toml(settings, config),
        paths.runtime: json.dumps(runtime_env(paths), indent=1) + "\n",
    }
    if tasks:
        files[paths.prompts] = prompt_lines(tasks, rows, settings.run.rng_seed)
    if validation:
        files[paths.validation] = validation_lines(validation)
    return files


def write_files(files: Mapping[Path, str]) -> None:
    """Write each whole or not at all.

    Raises:
        StoreError: one could not be written.
    """
    for path, text in files.items():
        part = path.with_name(f".{path.name}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(text, "utf-8")
            part.replace(path)
        except OSError as problem:
            raise StoreError(f"cannot write {path}: {problem.strerror or problem}") from problem


def without_none(tree: Any) -> Any:
    """TOML has no word for nothing."""
    if isinstance(tree, dict):
        return {key: without_none(value) for key, value in tree.items() if value is not None}
    if isinstance(tree, list):
        return [without_none(one) for one in tree]
    return tree
