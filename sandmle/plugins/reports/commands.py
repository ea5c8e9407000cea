"""`sandmle report` and `sandmle matrix`: parse, play what is to be played, have the page made, say what it holds."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from sandmle.core.engine.matrix import Played
    from sandmle.core.engine.toolkit import Toolkit
    from sandmle.plugins.reports.build import Report
    from sandmle.plugins.reports.page import Page

STOPPED_SHORT, MACHINERY_FAILED, PLUGIN_FAILED = 3, 4, 5
MATRIX_PAGE = "report.html"


def report(
    tasks: Annotated[Path | None, typer.Option("--tasks", help="Directory of task directories.")] = None,
    run: Annotated[list[Path] | None, typer.Option("--run", help="Run directory; may be repeated.")] = None,
    training: Annotated[
        list[Path] | None,
        typer.Option("--training", help="Output directory of `sandmle train`; may be repeated, in order of training."),
    ] = None,
    held_out: Annotated[
        list[Path] | None,
        typer.Option(
            "--held-out", help="Run directory of a trained policy or a control on held-out tasks; may be repeated."
        ),
    ] = None,
    matrix: Annotated[Path | None, typer.Option("--matrix", help="Directory that `sandmle matrix` filled.")] = None,
    out: Annotated[Path, typer.Option("-o", "--out", help="The HTML file to write.")] = Path("report.html"),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document about the report.")] = False,
) -> None:
    """Write one HTML file: tasks made, what agents did with them, what a policy learned, and whole trajectories."""
    from sandmle.plugins.reports.making import make_report

    page, built = make_report(
        out, tasks=tasks, runs=run or [], trainings=training or [], held_out=held_out or [], matrix=matrix
    )
    document = describe(page, built)
    if as_json:
        typer.echo(json.dumps({"report": str(out), **document}))
        return
    typer.echo(f"{out}: {document['bytes']} bytes, {document['tasks']} tasks, {document['episodes']} episodes")
    for caveat in page.caveats:
        typer.echo(f"note: {caveat}")


def matrix(
    context: typer.Context,
    models: Annotated[
        list[str],
        typer.Option(
            help="NAME=MODEL with commas between, such as base=offline/agent-weak,strong=offline/agent-strong; the "
            "others are compared with the first. May be repeated."
        ),
    ],
    scaffolds: Annotated[
        list[str], typer.Option(help="Scaffold names with commas between, such as react,aide. May be repeated.")
    ],
    tasks: Annotated[Path | None, typer.Option("--tasks", help="Directory of task directories.")] = None,
    out: Annotated[
        Path, typer.Option("-o", "--out", help="Directory of the matrix; the same command resumes it.")
    ] = Path("matrix"),
    group_size: Annotated[int | None, typer.Option("-k", "--group-size", help="Episodes per task and cell.")] = None,
    sandbox: Annotated[str | None, typer.Option(help="Sandbox backend.")] = None,
    feedback: Annotated[str | None, typer.Option(help="validate_only, public_board or full.")] = None,
    reward: Annotated[str | None, typer.Option(help="Reward preset.")] = None,
    concurrency: Annotated[int | None, typer.Option(help="Episodes under way at once.")] = None,
    rng_seed: Annotated[int | None, typer.Option("--rng-seed", help="Decides every random choice.")] = None,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Set one configuration key; may be repeated.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document on stdout; progress goes to stderr.")
    ] = False,
) -> None:
    """Run every model under every scaffold on the same tasks, and compare each with the first model.

    One run directory per cell, one table, and a page with a heat map in OUT/report.html.
    """
    from sandmle.core.engine.config import parse_assignments
    from sandmle.core.engine.interrupts import run_until_interrupted
    from sandmle.core.engine.matrix import parse_models, parse_scaffolds, play_matrix

    words = {
        "run.group_size": group_size,
        "run.sandbox": sandbox,
        "run.feedback": feedback,
        "run.reward": reward,
        "run.concurrency": concurrency,
        "run.rng_seed": rng_seed,
        "plugin.benchmark.corpus.path": str(tasks) if tasks else None,
    }
    toolkit: Toolkit = context.obj.override(parse_assignments(assignments or []), words)
    named, under = parse_models(models), parse_scaffolds(scaffolds)

    def tell(line: str) -> None:
        typer.echo(line, err=True)

    played = run_until_interrupted(lambda drain: play_matrix(toolkit, named, under, out, drain, tell))
    _show_matrix(out, tasks, played, as_json)


def _show_matrix(out: Path, tasks: Path | None, played: "Played", as_json: bool) -> None:
    from sandmle.core.engine.matrix_table import read_matrix
    from sandmle.core.engine.matrix_text import matrix_text
    from sandmle.core.errors import PluginError
    from sandmle.plugins.reports.making import make_report

    found = read_matrix(out)
    make_report(out / MATRIX_PAGE, tasks=tasks, matrix=out)
    if as_json:
        failures = [
            {"model": name, "scaffold": scaffold, "problem": str(problem)}
            for (name, scaffold), problem in played.failures.items()
        ]
        document = {
            **found.as_json(),
            "interrupted": played.interrupted,
            "failures": failures,
            "report": str(out / MATRIX_PAGE),
        }
        typer.echo(json.dumps(document, indent=2, allow_nan=False))
    else:
        typer.echo(matrix_text(found))
        typer.echo(f"The page is {out / MATRIX_PAGE}")
    problems = played.failures.values()
    if problems:
        raise typer.Exit(PLUGIN_FAILED if any(isinstance(one, PluginError) for one in problems) else MACHINERY_FAILED)
    if not found.complete:
        raise typer.Exit(STOPPED_SHORT)


def describe(page: "Page", built: "Report") -> dict[str, Any]:
    """What is in a report, ready for JSON."""
    from sandmle.plugins.reports.describing import describe_learned
    from sandmle.plugins.reports.numbers import json_number

    learned = {} if page.learned is None else {"training": describe_learned(page.learned)}
    return {
        "bytes": len(built.html),
        "tasks": 0 if page.corpus is None else len(page.corpus.tasks),
        "episodes": page.episodes,
        "expected_episodes": page.expected,
        "cards": {"shown": built.cards, "left_out": built.cards_left_out},
        "trajectories": {"shown": built.trajectories, "left_out": built.trajectories_left_out},
        "agents": [
            {
                "model": agent.summary.model,
                "scaffold": agent.summary.scaffold,
                "feedback": agent.summary.feedback,
                "human_rank": json_number(agent.summary.human_rank.mean),
                "reward": json_number(agent.summary.reward.mean),
            }
            for agent in page.agents
        ],
        "caveats": list(page.caveats),
        **learned,
        **({} if page.crossed is None else {"matrix": page.crossed.as_json()}),
    }
