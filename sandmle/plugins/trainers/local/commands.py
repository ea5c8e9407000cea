"""What `sandmle train` does under the local trainer."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from sandmle.core.engine.toolkit import Toolkit
    from sandmle.plugins.trainers.local.config import LocalTrainerConfig
    from sandmle.plugins.trainers.recipes import Recipe

LOCAL = "local"


def read_section(toolkit: "Toolkit") -> "LocalTrainerConfig":
    """The trainer's own section of the configuration."""
    from sandmle.plugins.trainers.local.config import LocalTrainerConfig

    return LocalTrainerConfig.model_validate(toolkit.settings.options("trainer", LOCAL))


def show_local(toolkit: "Toolkit", recipe: "Recipe | None", assume: list[str] | None, *, as_json: bool) -> None:
    """The resolved configuration; of GRPO, where `assume` is a list, the estimate, too."""
    from sandmle.core.engine.crews import check_names
    from sandmle.plugins.trainers.dry_run import estimate_words
    from sandmle.plugins.trainers.local.dry_run import config_words, local_estimate

    config, run = read_section(toolkit), toolkit.settings.run
    if assume is not None:
        check_names(toolkit)
    found = None if assume is None else local_estimate(config, run, recipe, assume)
    if as_json:
        record = {
            "trainer": LOCAL,
            "recipe": recipe.name if recipe else None,
            "model": recipe.model if recipe else None,
            "config": {"run": run.model_dump(mode="json"), "local": config.model_dump(mode="json")},
            "estimate": found,
        }
        typer.echo(json.dumps(record, indent=2))
        return
    parts = [f"recipe {recipe.name}: {recipe.summary}\n{recipe.text}"] if recipe else []
    if recipe and recipe.model and config.policy is None:
        parts.append(f"it starts from {recipe.model}, to be named as a folder: --policy FOLDER")
    parts.append(config_words(config, run, LOCAL).rstrip())
    typer.echo("\n\n".join([*parts, *([estimate_words(found)] if found else [])]))


def imitate(
    toolkit: "Toolkit", *, demos: list[Path], tasks: Path, out: Path, tell: Callable[[str], None]
) -> dict[str, Any]:
    """Imitate demonstrations; gives the summary."""
    from sandmle.core.engine.interrupts import run_until_interrupted

    config = _made(toolkit)
    from sandmle.plugins.trainers.local.sft import run_sft

    summary = run_until_interrupted(
        lambda drain: run_sft(toolkit, config, demos=demos, tasks=tasks, out=out, drain=drain, tell=tell)
    )
    return asdict(summary)


def learn(toolkit: "Toolkit", *, tasks: Path, out: Path, tell: Callable[[str], None]) -> dict[str, Any]:
    """Learn by doing; gives the summary."""
    from sandmle.core.engine.interrupts import run_until_interrupted

    config = _made(toolkit)
    from sandmle.plugins.trainers.local.loop import run_grpo

    summary = run_until_interrupted(
        lambda drain: run_grpo(toolkit, config, tasks=tasks, out=out, drain=drain, tell=tell)
    )
    return asdict(summary)


def _made(toolkit: "Toolkit") -> "LocalTrainerConfig":
    from sandmle.core.hooks.registry import Kind

    # Built once to have a missing package named with the extra that brings it.
    toolkit.make(Kind.TRAINER, LOCAL)
    return read_section(toolkit)
