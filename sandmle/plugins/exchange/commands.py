"""`sandmle export` and `sandmle import`: parse, have it done, say what was written."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from sandmle.core.types.episode import Outcome
from sandmle.core.types.score import Medal
from sandmle.plugins.exchange.formats import TaskFormat, TrajectoryFormat

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout; progress goes to stderr.")]
Force = Annotated[bool, typer.Option("--force", help="Replace what an earlier export left there.")]

export_app = typer.Typer(no_args_is_help=True, help="Write tasks and trajectories in the formats of other tools.")
import_app = typer.Typer(no_args_is_help=True, help="Read trajectories and task bundles of other tools.")


@export_app.command("trajectories")
def trajectories(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Run directories.")],
    form: Annotated[TrajectoryFormat, typer.Option("--format", help="What to write.")],
    out: Annotated[
        Path, typer.Option("-o", "--out", help="File to write; for atif also a folder, one document an episode.")
    ],
    min_reward: Annotated[float | None, typer.Option(help="Least recorded reward.")] = None,
    max_reward: Annotated[float | None, typer.Option(help="Greatest recorded reward.")] = None,
    medal: Annotated[Medal | None, typer.Option(help="This medal or a better one.")] = None,
    outcome: Annotated[
        list[Outcome] | None,
        typer.Option(help="May be repeated; default: scored and unscored, the agent's own outcomes."),
    ] = None,
    scaffold: Annotated[list[str] | None, typer.Option(help="May be repeated.")] = None,
    model: Annotated[list[str] | None, typer.Option(help="May be repeated.")] = None,
    task: Annotated[list[str] | None, typer.Option(help="Task id; may be repeated.")] = None,
    dedup: Annotated[bool, typer.Option("--dedup", help="Leave out what repeats another word for word.")] = False,
    ids: Annotated[
        bool, typer.Option("--ids", help="With token ids and log-probs as sampled; what has none is left out.")
    ] = False,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Write recorded episodes as SFT chat lines, ShareGPT, ATIF, OpenRLHF prompts or parquet."""
    from sandmle.plugins.exchange.trajectories.exporting import TrajectoryExport, export_trajectories
    from sandmle.plugins.exchange.trajectories.selecting import Selection

    asked = {"outcomes": tuple(outcome)} if outcome else {}
    selection = Selection(
        min_reward=min_reward,
        max_reward=max_reward,
        medal=medal,
        scaffolds=tuple(scaffold or ()),
        models=tuple(model or ()),
        tasks=tuple(task or ()),
        **asked,
    )
    summary = export_trajectories(
        TrajectoryExport(runs=tuple(runs), form=form, out=out, selection=selection, dedup=dedup, ids=ids, force=force)
    )
    _show(summary.as_json(), summary.as_text(), as_json=as_json)


@export_app.command("tasks")
def tasks(
    source: Annotated[Path, typer.Argument(metavar="DIR", help="Task directories: a folder, one, or a manifest.")],
    form: Annotated[TaskFormat, typer.Option("--format", help="What to write.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder to make.")],
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Write task directories as MLE-bench or MLE-Dojo competitions, Harbor tasks, or the released bundle's layout.

    A task that would be graded otherwise there is left out, with the reason, and the exit code is 1.
    """
    from sandmle.plugins.exchange.tasks.exporting import export_tasks

    summary = export_tasks(source, form, out, force=force)
    for warning in summary.warnings:
        typer.echo(f"warning: {warning}", err=True)
    _show(summary.as_json(), summary.as_text(), as_json=as_json)
    if summary.left_out:
        raise typer.Exit(1)


Out = Annotated[Path, typer.Option("-o", "--out", help="Run directory to make; the same command goes on with it.")]
Tasks = Annotated[
    Path | None, typer.Option("--tasks", help="Folder of task directories; what is of other tasks is left out.")
]
Task = Annotated[str | None, typer.Option("--task", help="Task id of every trajectory that names none.")]


@import_app.command("atif")
def import_atif(
    sources: Annotated[
        list[Path], typer.Argument(metavar="PATH", help="A document, a .jsonl of documents, or a folder of both.")
    ],
    out: Out,
    tasks: Tasks = None,
    task: Task = None,
    as_json: Json = False,
) -> None:
    """Read ATIF trajectories as demonstrations for `sandmle train sft`."""
    _import_demonstrations("atif", sources, out, tasks, task, as_json=as_json)


@import_app.command("openai")
def import_openai(
    sources: Annotated[list[Path], typer.Argument(metavar="FILE", help="Chat JSONL: a list `messages` a line.")],
    out: Out,
    tasks: Tasks = None,
    task: Task = None,
    as_json: Json = False,
) -> None:
    """Read OpenAI chat JSONL as demonstrations for `sandmle train sft`."""
    _import_demonstrations("openai", sources, out, tasks, task, as_json=as_json)


@import_app.command("sandmle-release")
def import_release(
    context: typer.Context,
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="The released bundle, or one task's folder of it.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder to make; report.json in it says what was found.")],
    sandbox: Annotated[str | None, typer.Option(help="Where the evaluators run; default: as `sandmle run`.")] = None,
    deadline: Annotated[float, typer.Option(min=0.1, help="Seconds for each run of an evaluator.")] = 30.0,
    as_json: Json = False,
) -> None:
    """Take in the released SandMLE bundle: answers and evaluators out of sight, its sanity filter run again.

    Evaluators run in a sandbox. A task that fails is left out, with the reason, and the exit code is 1.
    """
    import asyncio

    from sandmle.core.hooks.registry import Kind
    from sandmle.plugins.exchange.releases.importing import import_bundle

    backend = context.obj.make(Kind.SANDBOX, sandbox or context.obj.settings.run.sandbox)
    summary = asyncio.run(import_bundle(bundle, out, backend, deadline_s=deadline, tell=_tell))
    _show(summary.as_json(), summary.as_text(), as_json=as_json)
    if summary.imported < len(summary.tasks) or summary.missing:
        raise typer.Exit(1)


def _tell(line: str) -> None:
    typer.echo(line, err=True)


def _import_demonstrations(
    form: str, sources: list[Path], out: Path, tasks: Path | None, task: str | None, *, as_json: bool
) -> None:
    from sandmle.plugins.exchange.demonstrations.importing import DemonstrationImport, import_demonstrations

    summary = import_demonstrations(
        DemonstrationImport(form=form, sources=tuple(sources), out=out, tasks=tasks, task=task)
    )
    _show(summary.as_json(), summary.as_text(), as_json=as_json)


def _show(document: dict[str, Any], text: str, *, as_json: bool) -> None:
    said = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) if as_json else text
    # Names of files may be no text, and no stream of text takes those.
    typer.echo(said.encode("utf-8", "replace").decode())
