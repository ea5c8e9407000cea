"""`sandmle report`: parse, have the page made, say what was written."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from sandmle.plugins.reports.build import Report
    from sandmle.plugins.reports.page import Page


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
