"""`sandmle eval`, `sandmle benchmarks` and `sandmle board`: parse, have it done, say what came of it."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sandmle.core.types.score import Direction
from sandmle.core.types.trajectory import FeedbackMode
from sandmle.plugins.benchmarks.names import BenchmarkName, Rounding

if TYPE_CHECKING:
    from sandmle.core.engine.toolkit import Toolkit

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout; progress goes to stderr.")]
Assignments = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Set one configuration key; may be repeated.")
]
Name = Annotated[BenchmarkName, typer.Option("--benchmark", help="Whose competitions.")]
Checkout = Annotated[Path, typer.Option("--checkout", metavar="DIR", help="Checkout of the benchmark's repository.")]
Data = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", help="Its data directory; default: the export's, or its own.")
]
Split = Annotated[
    str | None, typer.Option(help="One of its splits, or a text file with a competition id on each line.")
]
Only = Annotated[list[str] | None, typer.Option("--competition", help="Only this one of the split; may be repeated.")]
Export = Annotated[
    Path | None,
    typer.Option("--export", metavar="DIR", help="Take the competitions that `sandmle export tasks` wrote there."),
]
Python = Annotated[str | None, typer.Option("--python", help="Interpreter that runs the benchmark's own code.")]

benchmarks_app = typer.Typer(no_args_is_help=True, help="See and prepare the competitions of other benchmarks.")
board_app = typer.Typer(no_args_is_help=True, help="Apply the medal rule and HumanRank to a leaderboard.")


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command("eval")(evaluate)
    app.add_typer(benchmarks_app, name="benchmarks")
    app.add_typer(board_app, name="board")


def evaluate(
    context: typer.Context,
    benchmark: Name,
    checkout: Checkout,
    data: Data = None,
    split: Split = None,
    scaffold: Annotated[str | None, typer.Option(help="Scaffold name.")] = None,
    model: Annotated[str | None, typer.Option(help="Model string, such as offline/agent or openai/gpt-5.")] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Folder of the evaluation; the same command resumes it.")
    ] = None,
    seeds: Annotated[
        int | None, typer.Option("-k", "--seeds", min=1, help="Runs of each competition; default: 3.")
    ] = None,
    competition: Only = None,
    prepared_only: Annotated[
        bool, typer.Option("--prepared-only", help="Leave out, and name, what is not prepared.")
    ] = False,
    export: Export = None,
    sandbox: Annotated[str | None, typer.Option(help="Sandbox backend.")] = None,
    inside: Annotated[
        bool, typer.Option("--inside", help="mledojo: in its own environment, which shows agent code the labels.")
    ] = False,
    feedback: Annotated[
        FeedbackMode, typer.Option(help="What a submission tells the agent; full shows it the test score.")
    ] = FeedbackMode.VALIDATE_ONLY,
    concurrency: Annotated[int | None, typer.Option(help="Episodes under way at once.")] = None,
    rng_seed: Annotated[int | None, typer.Option("--rng-seed", help="Decides every random choice.")] = None,
    python: Python = None,
    assignments: Assignments = None,
    as_json: Json = False,
) -> None:
    """Play a benchmark's competitions with our scaffolds in our sandbox, graded and reported by its own code.

    Exit code 3: stopped short; the same command goes on.
    """
    from sandmle.core.engine.interrupts import run_until_interrupted
    from sandmle.plugins.benchmarks import evaluating

    words = {
        "run.benchmark": benchmark.value,
        "run.scaffold": scaffold,
        "run.model": model,
        "run.group_size": seeds,
        "run.sandbox": sandbox,
        "run.feedback": feedback.value,
        "run.concurrency": concurrency,
        "run.rng_seed": rng_seed,
    }
    section = f"plugin.benchmark.{benchmark.value}"
    options = _options(benchmark, checkout, data, split, competition, export, python)
    options |= {f"{section}.prepared_only": prepared_only or None, f"{section}.inside": inside or None}
    toolkit = _configured(context, {"run.group_size": evaluating.DEFAULT_SEEDS}, assignments, {**words, **options})
    folder = out or _folder(toolkit)
    toolkit = toolkit.override({f"{section}.work": str(folder / evaluating.WORK)})
    found = run_until_interrupted(lambda drain: evaluating.evaluate(toolkit, folder, drain))
    _show(dict(found.documents.report), f"{found.documents.text}\n{folder / evaluating.REPORT}", as_json=as_json)
    _end(found.lost, is_complete=found.complete)


def _end(lost: str | None, *, is_complete: bool) -> None:
    if lost:
        typer.echo(f"error: {lost}", err=True)
        raise typer.Exit(4)
    if not is_complete:
        raise typer.Exit(3)


@benchmarks_app.command("list")
def list_competitions(
    context: typer.Context,
    benchmark: Name,
    checkout: Checkout,
    data: Data = None,
    split: Split = None,
    competition: Only = None,
    export: Export = None,
    assignments: Assignments = None,
    as_json: Json = False,
) -> None:
    """The splits of a checkout, and the competitions of one: whether each is prepared, what is known to be wrong."""
    from sandmle.core.hooks.registry import Kind

    words = _options(benchmark, checkout, data, split, competition, export, None)
    listed = _configured(context, {}, assignments, words).make(Kind.BENCHMARK, benchmark.value).selection.listing()
    rows = listed["competitions"]
    lines = [f"{name}: {count}" for name, count in listed["splits"].items()]
    lines += [f"{row['id']:<56} {'prepared' if row['prepared'] else '-':<9} {'; '.join(row['labels'])}" for row in rows]
    _show(listed, "\n".join(line.rstrip() for line in lines), as_json=as_json)


@benchmarks_app.command("prepare")
def prepare(
    context: typer.Context,
    benchmark: Name,
    checkout: Checkout,
    data: Data = None,
    split: Split = None,
    competition: Only = None,
    keep_raw: Annotated[
        bool, typer.Option("--keep-raw/--drop-raw", help="Keep what was downloaded once it is prepared.")
    ] = True,
    verify: Annotated[bool, typer.Option("--verify/--no-verify", help="Compare checksums, where it has some.")] = True,
    export: Export = None,
    python: Python = None,
    assignments: Assignments = None,
    as_json: Json = False,
) -> None:
    """Prepare a split's data by the benchmark's own code. Raw files that are there are not downloaded again.

    Exit code 1: some could not be prepared; the others were.
    """
    from sandmle.core.hooks.registry import Kind
    from sandmle.plugins.benchmarks.preparing import prepare_all

    words = _options(benchmark, checkout, data, split, competition, export, python)
    made = _configured(context, {}, assignments, words).make(Kind.BENCHMARK, benchmark.value)
    done = prepare_all(made, keep_raw=keep_raw, verify=verify, tell=lambda line: typer.echo(line, err=True))
    _show(asdict(done), done.as_text(), as_json=as_json)
    if done.failed:
        raise typer.Exit(1)


@board_app.command("medals")
def board_medals(
    board: Annotated[Path, typer.Argument(metavar="BOARD", help="Leaderboard CSV, best first, with a score column.")],
    scores_file: Annotated[Path, typer.Option("--scores-file", help="JSON list of scores.")],
    rounding: Annotated[
        Rounding,
        typer.Option("--round", help="As MLE-bench rounds before it ranks, which depends on the grader's type."),
    ] = Rounding.NONE,
    as_json: Json = False,
) -> None:
    """Medals by MLE-bench's rule: thresholds by number of teams, scores taken as given unless --round is."""
    from sandmle.core.engine.board_files import medal_report

    _warn_of(board)
    _show_table(medal_report(board, scores_file, rounded=rounding.value), as_json)


@board_app.command("humanrank")
def board_humanrank(
    direction: Annotated[Direction, typer.Option(help="Which way the scores are better.")],
    scores_file: Annotated[Path, typer.Option("--scores-file", help="JSON list of scores.")],
    private: Annotated[Path | None, typer.Option(help="Private leaderboard CSV.")] = None,
    public: Annotated[Path | None, typer.Option(help="Public leaderboard CSV.")] = None,
    as_json: Json = False,
) -> None:
    """HumanRank by MLE-Dojo's position score, on each board given and on average."""
    from sandmle.core.engine.board_files import human_rank_report

    _warn_of(*filter(None, (private, public)))
    _show_table(human_rank_report(private, public, direction, scores_file), as_json)


def _warn_of(*boards: Path) -> None:
    """The peers rank by a board that was cut or re-downloaded as by any other; so do we, and say so."""
    from sandmle.plugins.benchmarks.peers.checkout import board_flaw, repository_of

    for board in boards:
        flaw = board_flaw(board, repository_of(board)) if board.is_file() else None
        if flaw is not None:
            typer.echo(f"warning: {board} {flaw.detail}", err=True)


def _options(
    benchmark: BenchmarkName,
    checkout: Path,
    data: Path | None,
    split: str | None,
    competition: list[str] | None,
    export: Path | None,
    python: str | None,
) -> dict[str, Any]:
    given: dict[str, Any] = {
        "checkout": str(checkout),
        "data": str(data) if data else None,
        "split": split,
        "competitions": competition or None,
        "export": str(export) if export else None,
        "python": python,
    }
    return {f"plugin.benchmark.{benchmark.value}.{name}": value for name, value in given.items()}


def _configured(
    context: typer.Context, defaults: dict[str, Any], assignments: list[str] | None, words: dict[str, Any]
) -> "Toolkit":
    from sandmle.core.engine.config import parse_assignments

    toolkit: Toolkit = context.obj
    return toolkit.override(defaults, parse_assignments(assignments or []), words)


def _folder(toolkit: "Toolkit") -> Path:
    """A folder named after what is evaluated, so that another evaluation does not meet it."""
    from sandmle.core.hooks.registry import Kind
    from sandmle.plugins.benchmarks.peers.views import task_id_of

    run = toolkit.settings.run
    split = Path(toolkit.make(Kind.BENCHMARK, run.benchmark).selection.split).stem
    words = (run.benchmark, split, run.scaffold, run.model, run.feedback.value)
    return Path("evaluations") / "-".join(task_id_of(word) for word in words)


def _show(document: dict[str, Any], text: str, *, as_json: bool) -> None:
    from sandmle.core.engine.summary import json_ready

    if as_json:
        typer.echo(json.dumps(json_ready(document), indent=2, ensure_ascii=False, allow_nan=False))
    else:
        typer.echo(text)


def _show_table(report: dict[str, Any], as_json: bool) -> None:
    lines = [
        f"{key}: {line}" for key, value in report.items() for line in (value if isinstance(value, list) else [value])
    ]
    _show(report, "\n".join(lines), as_json=as_json)
