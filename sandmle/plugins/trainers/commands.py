"""`sandmle train`: make a better policy."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from sandmle.core.engine.toolkit import Toolkit
    from sandmle.plugins.trainers.local.config import LocalTrainerConfig

STOPPED_SHORT = 3

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout; progress goes to stderr.")]
Assignments = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Set one configuration key; may be repeated.")
]
Tasks = Annotated[Path, typer.Option("--tasks", help="Directory of training task directories.")]
Out = Annotated[Path, typer.Option("-o", "--out", help="Output directory; the same command resumes it.")]
RngSeed = Annotated[int | None, typer.Option("--rng-seed", help="Decides every random choice.")]

train_app = typer.Typer(no_args_is_help=True, help="Train policies: imitate demonstrations, then learn by doing.")


@train_app.command()
def sft(
    context: typer.Context,
    demos: Annotated[list[Path], typer.Option("--demos", help="Run directory of demonstrations; may be repeated.")],
    tasks: Tasks,
    out: Out,
    policy: Annotated[
        Path | None, typer.Option(help="Checkpoint to start from; default: one made from scratch.")
    ] = None,
    keep: Annotated[str | None, typer.Option(help="all, valid or medal: which demonstrations are imitated.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the demonstrations.")] = None,
    rng_seed: RngSeed = None,
    assignments: Assignments = None,
    as_json: Json = False,
) -> None:
    """Imitate stored episodes of the training tasks; makes tokenizer and policy from scratch."""
    from sandmle.core.engine.interrupts import run_until_interrupted

    words = {
        "plugin.trainer.local.policy": str(policy) if policy else None,
        "plugin.trainer.local.sft.keep": keep,
        "plugin.trainer.local.sft.epochs": epochs,
        "run.rng_seed": rng_seed,
    }
    toolkit, config = _prepared(context, assignments, words)
    from sandmle.plugins.trainers.local.sft import run_sft

    summary = run_until_interrupted(
        lambda drain: run_sft(toolkit, config, demos=demos, tasks=tasks, out=out, drain=drain, tell=_tell)
    )
    last = summary.metrics[-1]["loss"] if summary.metrics else None
    _finish(asdict(summary), as_json, f"{summary.epochs} epochs, loss {last}; the policy is local/{out}")


@train_app.command()
def grpo(
    context: typer.Context,
    tasks: Tasks,
    out: Out,
    policy: Annotated[Path | None, typer.Option(help="Checkpoint to start from, or `train sft`'s output.")] = None,
    validation: Annotated[Path | None, typer.Option(help="Directory of validation task directories.")] = None,
    adapter: Annotated[
        bool | None, typer.Option("--lora/--full", help="Train a LoRA adapter (the default), or all weights.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Updates.")] = None,
    group_size: Annotated[int | None, typer.Option("-k", "--group-size", help="Episodes per task and step.")] = None,
    reward: Annotated[str | None, typer.Option(help="Reward preset.")] = None,
    rng_seed: RngSeed = None,
    assignments: Assignments = None,
    as_json: Json = False,
) -> None:
    """Learn by doing: trajectory-wise GRPO in the configured sandbox and scaffold."""
    from sandmle.core.engine.interrupts import run_until_interrupted

    words = {
        "plugin.trainer.local.policy": str(policy) if policy else None,
        "plugin.trainer.local.validation": str(validation) if validation else None,
        "plugin.trainer.local.grpo.adapter": adapter,
        "plugin.trainer.local.grpo.steps": steps,
        "plugin.trainer.local.grpo.group_size": group_size,
        "run.reward": reward,
        "run.rng_seed": rng_seed,
    }
    toolkit, config = _prepared(context, assignments, words)
    from sandmle.plugins.trainers.local.loop import run_grpo

    summary = run_until_interrupted(
        lambda drain: run_grpo(toolkit, config, tasks=tasks, out=out, drain=drain, tell=_tell)
    )
    _finish(asdict(summary), as_json, f"{summary.steps} steps, best {summary.best_step}; the policy is local/{out}")


def _prepared(
    context: typer.Context, assignments: list[str] | None, words: dict[str, Any]
) -> "tuple[Toolkit, LocalTrainerConfig]":
    from sandmle.core.engine.config import parse_assignments
    from sandmle.core.hooks.registry import Kind
    from sandmle.plugins.trainers.local.config import LocalTrainerConfig

    toolkit: Toolkit = context.obj.override(parse_assignments(assignments or []), words)
    # Built once to have a missing package named with the extra that brings it.
    toolkit.make(Kind.TRAINER, "local")
    config = LocalTrainerConfig.model_validate(toolkit.settings.options("trainer", "local"))
    return toolkit, config


def _tell(line: str) -> None:
    typer.echo(line, err=True)


def _finish(summary: dict[str, Any], as_json: bool, words: str) -> None:
    typer.echo(json.dumps(summary, indent=2, allow_nan=False)) if as_json else typer.echo(words)
    if not summary["complete"]:
        typer.echo("stopped short; the same command goes on from there", err=True)
        raise typer.Exit(STOPPED_SHORT)
