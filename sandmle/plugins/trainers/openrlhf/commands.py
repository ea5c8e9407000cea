"""What `sandmle train` does under the OpenRLHF trainer."""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

if TYPE_CHECKING:
    from sandmle.core.engine.toolkit import Toolkit
    from sandmle.plugins.trainers.openrlhf.config import OpenRlhfConfig
    from sandmle.plugins.trainers.openrlhf.planning import Launch
    from sandmle.plugins.trainers.recipes import Recipe

DRY_OUT: Final = Path("train-out")
"""Stands for the output directory in a dry run that names none."""
DRY_POLICY: Final = "Qwen/Qwen3-8B"
"""Stands for the policy in a dry run that names none: the smallest of the paper."""


def read_section(toolkit: "Toolkit") -> "OpenRlhfConfig":
    """The trainer's own section of the configuration."""
    from sandmle.plugins.trainers.openrlhf.config import OpenRlhfConfig

    return OpenRlhfConfig.model_validate(toolkit.settings.options("trainer", "openrlhf"))


def show_grpo(
    toolkit: "Toolkit",
    recipe: "Recipe | None",
    *,
    tasks: Path | None,
    out: Path | None,
    assume: list[str],
    as_json: bool,
) -> None:
    """Print the resolved command, the files it would write, and the estimate; start nothing."""
    from sandmle.plugins.trainers.openrlhf.planning import plan_grpo

    config, shown_for = _with_policy(read_section(toolkit))
    launch = plan_grpo(toolkit, config, tasks=tasks, out=out or DRY_OUT)
    launch.warnings.extend(shown_for)
    found = _estimate(launch, recipe, toolkit.settings.run.episode_timeout_s, assume)
    if as_json:
        typer.echo(json.dumps(_record(launch, recipe, found), indent=2))
    else:
        typer.echo(_words(launch, recipe, found))


def start_grpo(toolkit: "Toolkit", *, tasks: Path, out: Path, tell: Callable[[str], None]) -> dict[str, Any]:
    """Train; gives the summary."""
    from sandmle.core.engine.interrupts import run_until_interrupted
    from sandmle.plugins.trainers.openrlhf.launch import run_openrlhf

    config = read_section(toolkit)
    summary = run_until_interrupted(
        lambda drain: run_openrlhf(toolkit, config, tasks=tasks, out=out, drain=drain, tell=tell)
    )
    return asdict(summary)


def _with_policy(config: "OpenRlhfConfig") -> "tuple[OpenRlhfConfig, list[str]]":
    """A dry run that names no policy is shown for one, and says so."""
    if config.policy is not None:
        return config, []
    words = (
        f"no policy was named, so this is shown for {DRY_POLICY}; give --policy or --recipe (`sandmle train recipes`)"
    )
    return config.model_copy(update={"policy": DRY_POLICY}), [words]


def show_sft(toolkit: "Toolkit", *, demos: list[Path], tasks: Path | None, out: Path | None, as_json: bool) -> None:
    """Print the resolved command, the files it would write, and which template was proven; start nothing."""
    from sandmle.plugins.trainers.dry_run import file_record
    from sandmle.plugins.trainers.openrlhf.command import shell
    from sandmle.plugins.trainers.openrlhf.sft import DATA, plan_sft

    config, shown_for = _with_policy(read_section(toolkit))
    plan = plan_sft(toolkit, config, demos=demos, tasks=tasks, out=out or DRY_OUT)
    if as_json:
        record = {
            "trainer": "openrlhf",
            "command": [sys.executable, *plan.command],
            "files": [file_record(path, text) for path, text in plan.files.items()],
            "template": plan.template,
            "conversations": plan.conversations,
            "left_out": dict(plan.left_out),
            "warnings": shown_for,
        }
        typer.echo(json.dumps(record, indent=2))
        return
    parts = [f"command:\n{shell(['python', *plan.command])}"]
    parts += [_file_words(path, text) for path, text in plan.files.items()]
    if plan.template is None:
        parts.append(
            f"{plan.paths.work / DATA}: conversations from --demos and --tasks, under a template proven for them"
        )
    else:
        parts.append(
            f"{plan.conversations} conversations; template of {plan.template}: its mask is proven; left out: "
            + json.dumps(dict(plan.left_out))
        )
    typer.echo("\n\n".join([*parts, *(f"warning: {one}" for one in shown_for)]))


def start_sft(
    toolkit: "Toolkit", *, demos: list[Path], tasks: Path, out: Path, tell: Callable[[str], None]
) -> dict[str, Any]:
    """Imitate; gives the summary."""
    from sandmle.core.engine.interrupts import run_until_interrupted
    from sandmle.plugins.trainers.openrlhf.sft import plan_sft
    from sandmle.plugins.trainers.openrlhf.sft_launch import run_openrlhf_sft

    plan = plan_sft(toolkit, read_section(toolkit), demos=demos, tasks=tasks, out=out)
    return run_until_interrupted(lambda drain: run_openrlhf_sft(toolkit, plan, drain=drain, tell=tell))


def _estimate(launch: "Launch", recipe: "Recipe | None", episode_timeout_s: float, assume: list[str]) -> Any:
    from sandmle.plugins.trainers.dry_run import estimated
    from sandmle.plugins.trainers.estimate import Plan

    config = launch.config
    plan = Plan(
        steps=config.grpo.steps,
        trajectories=config.grpo.trajectories,
        devices=config.world,
        max_tokens=config.max_tokens,
        episode_timeout_s=episode_timeout_s,
        adapter=config.grpo.adapter,
        kl=bool(config.grpo.kl),
    )
    return estimated(plan, launch.facts, recipe.assume if recipe else {}, assume)


def _record(launch: "Launch", recipe: "Recipe | None", found: Any) -> dict[str, Any]:
    from sandmle.plugins.trainers.dry_run import file_record
    from sandmle.plugins.trainers.openrlhf.command import ENTRY

    return {
        "trainer": "openrlhf",
        "recipe": recipe.name if recipe else None,
        "command": [sys.executable, "-m", ENTRY, *launch.flags],
        "environment": dict(launch.environment),
        "files": [file_record(path, text) for path, text in launch.files.items()],
        "prompts": {"path": str(launch.paths.prompts), "rows": launch.rows, "tasks": launch.tasks},
        "placement": asdict(launch.place),
        "memory": _memory(launch),
        "warnings": launch.warnings,
        "estimate": found,
    }


def _words(launch: "Launch", recipe: "Recipe | None", found: Any) -> str:
    from sandmle.plugins.trainers.dry_run import estimate_words
    from sandmle.plugins.trainers.openrlhf.command import ENTRY, shell

    parts = [f"recipe {recipe.name}: {recipe.summary}\n{recipe.text}"] if recipe else []
    command = shell(["python", "-m", ENTRY, *launch.flags])
    environment = " \\\n".join(shell([f"{name}={value}"]) for name, value in launch.environment.items())
    parts.append(f"command:\n{environment} \\\n{command}")
    parts.append("\n\n".join(_file_words(path, text) for path, text in launch.files.items()))
    if not launch.tasks:
        parts.append(f"{launch.paths.prompts}: {launch.rows} rows of prompt and task id, from --tasks")
    place = launch.place
    memory = _memory(launch)
    parts.append(
        f"GPUs: {place.nodes} x {place.training_gpus} train ({place.sequence_parallel} share a sequence); "
        f"{place.engines} vLLM engines of {place.tensor_parallel} GPUs"
        + ("; memory of each, about: " + ", ".join(f"{when} {gb} GB" for when, gb in memory.items()) if memory else "")
    )
    parts += [f"warning: {one}" for one in launch.warnings]
    parts.append(estimate_words(found))
    return "\n\n".join(parts)


def _file_words(path: Path, text: str) -> str:
    lines = text.splitlines()
    if path.suffix == ".jsonl":
        return f"{path}: {len(lines)} lines, the first:\n{lines[0][:300]}"
    return f"{path}:\n{text.rstrip()}"


def _memory(launch: "Launch") -> dict[str, float]:
    from sandmle.plugins.trainers.estimate import rounded
    from sandmle.plugins.trainers.openrlhf.placement import memory_need

    if launch.facts is None:
        return {}
    need = memory_need(launch.config, launch.place, launch.facts)
    return {"training": rounded(need.training_gb), "generating": rounded(need.generating_gb)}
