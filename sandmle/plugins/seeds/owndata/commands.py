"""`sandmle seeds benchmark`: the benchmark of real rows, ours or of a user's own CSV files, as a folder of tasks."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sandmle.core.errors import UsageError
from sandmle.plugins.seeds.commands import Json, seeds_app

if TYPE_CHECKING:
    from sandmle.plugins.seeds.owndata.reading import Wish


def register_benchmark() -> None:
    """Add the command to `sandmle seeds`."""
    if all(one.name != "benchmark" for one in seeds_app.registered_commands):
        seeds_app.command("benchmark")(make_benchmark)


def make_benchmark(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="FOLDER", help="Your CSV files, a data set each; default: the benchmark `realdata`, of our seeds."
        ),
    ] = None,
    *,
    out: Annotated[
        Path, typer.Option("-o", "--out", help="Folder of task directories to make; what is there already is kept.")
    ],
    repeats: Annotated[int, typer.Option(min=1, max=100, help="Splits of every data set.")] = 3,
    rng_seed: Annotated[int, typer.Option(min=0, help="Decides the splits.")] = 0,
    seed: Annotated[list[str] | None, typer.Option("--seed", help="Of our seeds only this; may be repeated.")] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(
            help="Column to predict, or FILE=COLUMN; may be repeated. Default: a column called target, label, class, y "
            "or outcome, else the last."
        ),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(help="Metric, or FILE=METRIC; may be repeated. Default: rmse, roc_auc or f1_macro."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a benchmark of real rows: repeated splits, boards of some 200 real solutions, baselines.

    benchmark.json beside the task directories says how it was made and what plain solutions reach.
    """
    notes: dict[str, list[str]] = {}
    if folder is None:
        if target or metric:
            raise UsageError("--target and --metric are for a FOLDER of your own; our seeds have theirs")
        found = _of_seeds(out, repeats, rng_seed, tuple(seed or ()))
    else:
        if seed:
            raise UsageError("--seed is for our seeds; a FOLDER of your own is taken whole")
        found, notes = _of_folder(folder, out, repeats, rng_seed, target or [], metric or [])
    typer.echo(_written_down(out, found, notes, repeats, rng_seed, as_json=as_json))


def _of_seeds(out: Path, repeats: int, rng_seed: int, seeds: tuple[str, ...]) -> list[Path]:
    from sandmle.plugins.seeds.realdata.benchmark import RealData
    from sandmle.plugins.seeds.realdata.config import RealDataConfig

    found = list(RealData(RealDataConfig(path=out, repeats=repeats, rng_seed=rng_seed, seed_ids=seeds)).task_dirs())
    if not found:
        raise UsageError(f"{', '.join(seeds)} has too few rows for a task: name another --seed")
    return found


def _of_folder(
    folder: Path, out: Path, repeats: int, rng_seed: int, targets: list[str], metrics: list[str]
) -> tuple[list[Path], dict[str, list[str]]]:
    from sandmle.plugins.seeds.owndata.making import OwnData, make_tasks

    names = {path.stem for path in folder.glob("*") if path.suffix.lower() == ".csv"}
    wishes = _wishes(names, targets, metrics)
    own = OwnData(folder=folder, out=out, repeats=repeats, rng_seed=rng_seed, wishes=wishes)
    made = make_tasks(own, lambda line: typer.echo(line, err=True))
    return list(made.tasks), {name: list(left) for name, left in made.notes.items()}


def _written_down(
    out: Path, found: list[Path], notes: dict[str, list[str]], repeats: int, rng_seed: int, *, as_json: bool
) -> str:
    from sandmle.core.errors import cannot_write
    from sandmle.plugins.seeds.realdata.protocol import FILE, as_lines, benchmark_document

    document = {**benchmark_document(found, rng_seed, repeats), "left_out": notes}
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    try:
        (out / FILE).write_text(text + "\n", encoding="utf-8")
    except OSError as problem:
        raise cannot_write(out / FILE, problem) from problem
    left = [f"{name}.csv: left out {note}" for name, several in notes.items() for note in several]
    return text if as_json else "\n".join([f"{out}:", *as_lines(document), *left])


def _wishes(names: set[str], targets: list[str], metrics: list[str]) -> "dict[str, Wish]":
    """File name, or "" for all, to what is wished of it."""
    from sandmle.plugins.seeds.owndata.reading import Wish

    asked: dict[str, dict[str, str]] = {}
    for kind, words in (("target", targets), ("metric", metrics)):
        for word in words:
            file, equals, value = word.partition("=")
            # A column may be called anything: only the name of a file before the sign makes it one.
            where, what = (file, value) if equals and file.removesuffix(".csv") in names else ("", word)
            where = where.removesuffix(".csv")
            if kind in asked.setdefault(where, {}):
                raise UsageError(f"--{kind} {word}: said twice of {where or 'every file'}")
            asked[where][kind] = what
    return {where: Wish(**wish) for where, wish in asked.items()}
