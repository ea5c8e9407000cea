"""`sandmle tasks stats`: how far fixed programs get on a corpus, and how far the best program of each task."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sandmle.core.engine.toolkit import Toolkit
    from sandmle.plugins.llms.offline.demonstrator.measuring import Result

Folder = Annotated[Path, typer.Argument(help="A corpus or a folder of task directories.")]


def register(app: typer.Typer) -> None:
    """Add `stats` to the group `tasks`, which the synthesizer brings; make the group where it is not loaded."""
    group = next((one.typer_instance for one in app.registered_groups if one.name == "tasks"), None)
    if group is None:
        group = typer.Typer(no_args_is_help=True, help="Measure task directories.")
        app.add_typer(group, name="tasks")
    group.command("stats")(tasks_stats)


def tasks_stats(
    context: typer.Context,
    folder: Folder,
    train: Annotated[
        Path | None, typer.Option(help="Tasks on which fixed programs are chosen; default: the same, which flatters.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Sessions at once.")] = 2,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document on stdout; progress goes to stderr.")
    ] = False,
) -> None:
    """Run a grid of programs on every task: medal rates of the best fixed ones and of the best of each task."""
    from sandmle.plugins.llms.offline.demonstrator.stats import corpus_stats, stats_lines

    results, metrics = _measured(context.obj, folder, workers)
    chosen_on, their_metrics = (results, metrics) if train is None else _measured(context.obj, train, workers)
    stats = corpus_stats(results, metrics, chosen_on, their_metrics)
    if as_json:
        typer.echo(json.dumps(stats.as_json(), allow_nan=False, indent=2))
    else:
        typer.echo("\n".join(stats_lines(stats)))


def _measured(toolkit: "Toolkit", folder: Path, workers: int) -> "tuple[list[Result], dict[str, str]]":
    import asyncio

    from sandmle.core.engine.tasks import list_tasks
    from sandmle.plugins.llms.offline.demonstrator.grid import grid
    from sandmle.plugins.llms.offline.demonstrator.measuring import measure

    tasks = list_tasks(folder)

    def told(done: int, of: int) -> None:
        typer.echo(f"{done}/{of} tasks of {folder} measured", err=True)

    results = asyncio.run(measure(toolkit, tasks, grid(), workers=workers, on_task=told))
    return results, {task.spec.task_id: task.spec.metric.name for task in tasks}
