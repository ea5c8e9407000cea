"""`sandmle demo`: plays the commands of `plan.py` in this process, as if typed, and says what each left where."""

import json
import sys
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from sandmle.core.engine.toolkit import Toolkit


def demo(
    context: typer.Context,
    out: Annotated[Path, typer.Option("-o", "--out", help="Directory for everything the demo makes.")] = Path(
        "demo-out"
    ),
    tasks: Annotated[int, typer.Option("-n", help="Tasks to make.", min=1)] = 24,
    group_size: Annotated[int, typer.Option("-k", help="Episodes per task and agent.", min=1)] = 2,
    rng_seed: Annotated[int, typer.Option("--rng-seed", help="Decides every random choice.")] = 7,
    train: Annotated[bool, typer.Option("--train/--no-train", help="Train a small policy, too.")] = True,
    demonstrations: Annotated[int, typer.Option(help="Per training task.", min=1)] = 12,
    epochs: Annotated[int, typer.Option(help="Passes of SFT over the demonstrations.", min=1)] = 12,
    steps: Annotated[int, typer.Option(help="Steps of GRPO.", min=1)] = 6,
    episodes: Annotated[int, typer.Option(help="Per held-out task and policy or control.", min=1)] = 3,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document on stdout; progress goes to stderr.")
    ] = False,
) -> None:
    """Make tasks, run three offline agents on them, train a small policy for a minute, and write the report.

    No key, no network, no GPU. The same command resumes.
    """
    from sandmle.plugins.demo.plan import Demo, TrainingSize

    size = TrainingSize(demonstrations=demonstrations, epochs=epochs, steps=steps, episodes=episodes)
    figures: dict[str, Any] | None = None
    with redirect_stdout(sys.stderr) if as_json else nullcontext():
        left_out = _why_no_training(context.obj, tasks) if train else "--no-train was given"
        plan = Demo(out=out, tasks=tasks, group_size=group_size, rng_seed=rng_seed, training=None if left_out else size)
        for words in plan.commands():
            _play(context, *words)
        if as_json:
            figures = json.loads(_captured(context, *plan.report_command(), "--json")).get("training")
        else:
            _play(context, *plan.report_command())
        if left_out:
            typer.echo(f"\nTraining was left out: {left_out}.")
        typer.echo(f"\nOpen {plan.report} in a browser.")
    if as_json:
        learned = {"trainings": dict(plan.trainings), "held_out": dict(plan.held_out), "figures": figures}
        document = {
            "tasks": plan.corpus,
            "runs": dict(plan.runs),
            "report": plan.report,
            "training": None if left_out else learned,
            "training_left_out": left_out,
        }
        typer.echo(json.dumps(document, ensure_ascii=False, allow_nan=False, indent=2))


def _why_no_training(toolkit: "Toolkit", tasks: int) -> str | None:
    """What stands in the way of training; None when nothing does."""
    from sandmle.core.errors import PluginError
    from sandmle.core.hooks.registry import Kind
    from sandmle.plugins.demo.plan import MIN_TASKS

    if tasks < MIN_TASKS:
        return f"fewer than {MIN_TASKS} tasks (-n) cannot be parted by rule families"
    try:
        for kind in (Kind.TRAINER, Kind.LLM):
            toolkit.make(kind, "local")
    except PluginError as problem:
        typer.echo(f"Training will be left out: {problem} (in a checkout: make train-env)")
        return f"{problem} (in a checkout: make train-env)"
    return None


def _captured(context: typer.Context, *words: str) -> str:
    """What one of our own commands prints."""
    import io

    with redirect_stdout(io.StringIO()) as printed:
        _invoke(context, *words)
    return printed.getvalue()


def _play(context: typer.Context, *words: str) -> None:
    """Run one of our own commands in this process, as if typed, and say so."""
    import shlex

    typer.echo(f"\n$ sandmle {shlex.join(words)}")
    _invoke(context, *words)


def _invoke(context: typer.Context, *words: str) -> None:
    from typer.core import TyperGroup

    from sandmle.core.errors import ConfigError

    root = context.find_root()
    command = root.command
    if not isinstance(command, TyperGroup):
        raise TypeError(f"the program is a {type(command).__name__}, not a group of commands")
    name, sub, rest = command.resolve_command(root, list(words))
    if sub is None or name is None:
        raise ConfigError(f"no command {words[0]!r}: the plugin that brings it is not loaded")
    with sub.make_context(name, rest, parent=root) as inner:
        sub.invoke(inner)
