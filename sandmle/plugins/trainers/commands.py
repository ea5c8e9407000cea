"""`sandmle train`: make a better policy."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sandmle.core.errors import ConfigError, PluginError
from sandmle.plugins.trainers.local.commands import LOCAL, imitate, learn, read_section, show_local
from sandmle.plugins.trainers.openrlhf.commands import show_grpo, show_sft, start_grpo, start_sft
from sandmle.plugins.trainers.options import (
    Adapter,
    Assignments,
    Assume,
    DryRun,
    Gpus,
    Json,
    Nodes,
    Out,
    Policy,
    RayAddress,
    RecipeName,
    RngSeed,
    Tasks,
    Trainer,
)

if TYPE_CHECKING:
    import asyncio

    from sandmle.core.engine.toolkit import Toolkit
    from sandmle.plugins.trainers.recipes import Recipe

STOPPED_SHORT = 3
OPENRLHF = "openrlhf"

train_app = typer.Typer(no_args_is_help=True, help="Train policies: imitate demonstrations, then learn by doing.")


@train_app.command()
def sft(
    context: typer.Context,
    demos: Annotated[
        list[Path] | None, typer.Option("--demos", help="Run directory of demonstrations; may be repeated.")
    ] = None,
    tasks: Tasks = None,
    out: Out = None,
    trainer: Trainer = LOCAL,
    recipe: RecipeName = None,
    policy: Policy = None,
    keep: Annotated[str | None, typer.Option(help="all, valid or medal: which demonstrations are imitated.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the demonstrations.")] = None,
    gpus: Gpus = None,
    rng_seed: RngSeed = None,
    dry_run: DryRun = False,
    assignments: Assignments = None,
    as_json: Json = False,
) -> None:
    """Imitate stored episodes of the training tasks; locally, without a policy, one is made from scratch."""
    words = {
        f"plugin.trainer.{trainer}.policy": policy,
        f"plugin.trainer.{trainer}.sft.keep": keep,
        f"plugin.trainer.{trainer}.sft.epochs": epochs,
        f"plugin.trainer.{trainer}.gpus": gpus if trainer == OPENRLHF else None,
        "run.rng_seed": rng_seed,
    }
    toolkit, chosen = _prepared(context, trainer, recipe, None, assignments, words)
    if trainer == OPENRLHF:
        if dry_run:
            show_sft(toolkit, demos=demos or [], tasks=tasks, out=out, as_json=as_json)
            return
        given = _given(demos, "--demos"), _given(tasks, "--tasks"), _given(out, "-o")
        summary = start_sft(toolkit, demos=given[0], tasks=given[1], out=given[2], tell=_tell)
        _finish(summary, as_json, f"the result is {summary['policy']}")
        return
    if trainer != LOCAL:
        raise ConfigError(f"the trainer {trainer!r} has no SFT; take --trainer local or openrlhf")
    _refuse_cluster(gpus, None, None)
    if dry_run:
        show_local(toolkit, chosen, None, as_json=as_json)
        return
    given = _given(demos, "--demos"), _given(tasks, "--tasks"), _given(out, "-o")
    summary = imitate(toolkit, demos=given[0], tasks=given[1], out=given[2], tell=_tell)
    last = summary["metrics"][-1]["loss"] if summary["metrics"] else None
    _finish(summary, as_json, f"{summary['epochs']} epochs, loss {last}; the policy is local/{out}")


@train_app.command()
def grpo(
    context: typer.Context,
    tasks: Tasks = None,
    out: Out = None,
    trainer: Trainer = LOCAL,
    recipe: RecipeName = None,
    policy: Policy = None,
    validation: Annotated[Path | None, typer.Option(help="Directory of validation task directories.")] = None,
    adapter: Adapter = None,
    steps: Annotated[int | None, typer.Option(help="Updates.")] = None,
    group_size: Annotated[int | None, typer.Option("-k", "--group-size", help="Episodes per task and step.")] = None,
    reward: Annotated[str | None, typer.Option(help="Reward preset.")] = None,
    gpus: Gpus = None,
    nodes: Nodes = None,
    ray_address: RayAddress = None,
    rng_seed: RngSeed = None,
    dry_run: DryRun = False,
    assume: Assume = None,
    assignments: Assignments = None,
    as_json: Json = False,
) -> None:
    """Learn by doing: trajectory-wise GRPO in the configured sandbox and scaffold."""
    section = f"plugin.trainer.{trainer}"
    words = {
        f"{section}.policy": policy,
        f"{section}.validation": str(validation) if validation else None,
        f"{section}.grpo.adapter": adapter,
        f"{section}.grpo.steps": steps,
        f"{section}.grpo.group_size": group_size,
        "run.reward": reward,
        "run.rng_seed": rng_seed,
    }
    if trainer == OPENRLHF:
        words |= {f"{section}.gpus": gpus, f"{section}.nodes": nodes, f"{section}.ray_address": ray_address}
    toolkit, chosen = _prepared(context, trainer, recipe, adapter, assignments, words)
    if trainer == OPENRLHF:
        if dry_run:
            show_grpo(toolkit, chosen, tasks=tasks, out=out, assume=assume or [], as_json=as_json)
            return
        summary = start_grpo(toolkit, tasks=_given(tasks, "--tasks"), out=_given(out, "-o"), tell=_tell)
        _finish(summary, as_json, f"{summary['steps']} steps; the result is {summary['policy']}")
        return
    _refuse_cluster(gpus, nodes, ray_address)
    if trainer != LOCAL:
        if dry_run:
            raise ConfigError(
                f"--dry-run is for the trainers {LOCAL} and {OPENRLHF}; {trainer!r} cannot say what it does"
            )
        _train_by_plugin(toolkit, trainer, _given(tasks, "--tasks"), _given(out, "-o"), as_json)
        return
    if dry_run:
        show_local(toolkit, chosen, assume or [], as_json=as_json)
        return
    if chosen is not None and chosen.model and read_section(toolkit).policy is None:
        raise ConfigError(
            f"recipe {chosen.name!r} starts from {chosen.model}: download it, and name it by --policy FOLDER"
        )
    summary = learn(toolkit, tasks=_given(tasks, "--tasks"), out=_given(out, "-o"), tell=_tell)
    told = f"{summary['steps']} steps, best {summary['best_step']}; the policy is local/{out}"
    _finish(summary, as_json, told)


@train_app.command()
def recipes(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="One recipe, in full.")] = None,
    as_json: Json = False,
) -> None:
    """List the recipes, or say all that one sets."""
    from sandmle.plugins.trainers.recipes import read_recipe, recipe_names

    found = [read_recipe(name)] if name else [read_recipe(one) for one in recipe_names()]
    if as_json:
        typer.echo(json.dumps({"recipes": [asdict(one) for one in found]}, indent=2))
        return
    for one in found:
        typer.echo(f"{one.name:20} {'/'.join(one.trainers):15} {one.summary}")
    if name:
        typer.echo("\n" + found[0].text)
        for trainer, values in found[0].values.items():
            typer.echo(f"\nfor the trainer {trainer}:")
            typer.echo("\n".join(f"  {key} = {json.dumps(value)}" for key, value in values.items()))


@train_app.command()
def export(
    trained: Annotated[
        Path, typer.Argument(metavar="TRAINED", help="Output directory of a training, or one of its checkpoints.")
    ],
    merge: Annotated[Path | None, typer.Option(help="Write base and adapter as one, as transformers opens it.")] = None,
    adapter: Annotated[Path | None, typer.Option(help="Write the adapter alone, as peft opens it.")] = None,
    base: Annotated[
        str | None, typer.Option(help="Model below the adapter; default: the one that the adapter names.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Export what a training made: the LoRA adapter, or its weights merged into the model below it."""
    try:
        from sandmle.plugins.trainers.openrlhf.export import export_policy
    except ImportError as problem:
        raise PluginError(
            f"exporting needs a package that is missing ({problem}); pip install 'sandmle[train]'"
        ) from None

    done = export_policy(trained, merge=merge, adapter=adapter, base=base)
    typer.echo(json.dumps(asdict(done), indent=2) if as_json else done.words())


def _prepared(
    context: typer.Context,
    trainer: str,
    recipe: str | None,
    adapter: bool | None,
    assignments: list[str] | None,
    words: Mapping[str, Any],
) -> "tuple[Toolkit, Recipe | None]":
    from sandmle.core.engine.config import parse_assignments
    from sandmle.core.hooks.registry import Kind
    from sandmle.plugins.trainers.recipe_layer import with_recipe

    context.obj.registry.spec(Kind.TRAINER, trainer)
    given = {
        **parse_assignments(assignments or []),
        **{key: value for key, value in words.items() if value is not None},
    }
    return with_recipe(context.obj, recipe, trainer, adapter, given)


def _train_by_plugin(toolkit: "Toolkit", trainer: str, tasks: Path, out: Path, as_json: bool) -> None:
    from sandmle.core.engine.interrupts import run_until_interrupted
    from sandmle.core.hooks.registry import Kind

    made = toolkit.make(Kind.TRAINER, trainer)

    async def train(drain: "asyncio.Event") -> bool:
        with toolkit.registry.blaming(Kind.TRAINER, trainer, "failed in its train()"):
            await made.train(toolkit, tasks, out, drain)
        return not drain.is_set()

    _finish({"out": str(out), "complete": run_until_interrupted(train)}, as_json, f"{trainer} wrote {out}")


def _refuse_cluster(gpus: int | None, nodes: int | None, ray_address: str | None) -> None:
    if (gpus or 1) > 1 or (nodes or 1) > 1 or ray_address:
        raise ConfigError(
            "several GPUs, several nodes and Ray are for --trainer openrlhf; the local trainer works in one process on "
            "a CPU or on the GPU that plugin.llm.local.device names"
        )


def _given(value: Any, option: str) -> Any:
    """What only a dry run can do without."""
    if not value:
        raise ConfigError(f"{option} is missing; only --dry-run does without")
    return value


def _tell(line: str) -> None:
    typer.echo(line, err=True)


def _finish(summary: dict[str, Any], as_json: bool, words: str) -> None:
    typer.echo(json.dumps(summary, indent=2, allow_nan=False)) if as_json else typer.echo(words)
    if not summary["complete"]:
        typer.echo("stopped short; the same command goes on from there", err=True)
        raise typer.Exit(STOPPED_SHORT)
