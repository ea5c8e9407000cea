"""`sandmle tasks stats`: what a corpus is made of, and how far programs get on it that do not read."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from sandmle.core.engine.toolkit import Toolkit
    from sandmle.plugins.llms.offline.demonstrator.measuring import Result
    from sandmle.plugins.llms.offline.demonstrator.stats import CorpusStats

MOST_BY_DEFAULT: Final = 200
"""Tasks on which the grid is run unasked: 144 programs take some ten seconds of processor time a task."""
Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="A corpus or a folder of task directories.")]


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
    grid: Annotated[
        bool | None,
        typer.Option("--grid/--no-grid", help=f"Run the grid of programs; default: on up to {MOST_BY_DEFAULT} tasks."),
    ] = None,
    mix: Annotated[str, typer.Option(help="The mix to show shares beside.")] = "paper",
    plots: Annotated[Path | None, typer.Option(help="Folder for drawings (SVG) of the shares and the boards.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document on stdout; progress goes to stderr.")
    ] = False,
) -> None:
    """Count what a corpus is made of, look for tasks that are alike, and run a grid of programs on every task."""
    from sandmle.core.engine.corpus_makeup import makeup_lines, makeup_of
    from sandmle.core.engine.likeness import alike_tasks
    from sandmle.core.engine.mixes import MIXES
    from sandmle.core.engine.tasks import list_tasks
    from sandmle.core.errors import UsageError, nearest
    from sandmle.plugins.llms.offline.demonstrator.drawings import write_drawings

    if train is not None and grid is False:
        raise UsageError("--train names tasks to choose programs of the grid on, and --no-grid runs none: drop one")
    if mix not in MIXES:
        raise UsageError(f"--mix: no mix is called {mix!r}; {nearest(mix, list(MIXES))}")
    tasks = list_tasks(folder)
    if train is not None:
        # Before anything takes long.
        list_tasks(train)
    specs = [task.spec for task in tasks]
    makeup, alike = makeup_of(specs), alike_tasks(tasks)
    if plots is not None:
        write_drawings(plots, makeup, specs, mix)
    wanted = grid if grid is not None else train is not None or len(tasks) <= MOST_BY_DEFAULT
    stats = _grid_stats(context.obj, folder, train, workers) if wanted else None
    if as_json:
        document = {**makeup.as_json(), "alike": [asdict(one) for one in alike]}
        typer.echo(json.dumps(document | (stats.as_json() if stats else {}), allow_nan=False, indent=2))
        return
    lines = makeup_lines(makeup, mix)
    lines += [f"alike by {one.how}: {one.first} and {one.second} ({one.share:.2f})" for one in alike]
    lines.append(f"{len(alike)} pairs of tasks are nearly the same")
    typer.echo("\n".join([*lines, *(_grid_lines(stats) if stats else [])]))


def _grid_lines(stats: "CorpusStats") -> list[str]:
    from sandmle.plugins.llms.offline.demonstrator.stats import stats_lines

    return stats_lines(stats)


def _grid_stats(toolkit: "Toolkit", folder: Path, train: Path | None, workers: int) -> "CorpusStats":
    from sandmle.plugins.llms.offline.demonstrator.stats import corpus_stats

    results, metrics = _measured(toolkit, folder, workers)
    chosen_on, their_metrics = (results, metrics) if train is None else _measured(toolkit, train, workers)
    return corpus_stats(results, metrics, chosen_on, their_metrics)


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
