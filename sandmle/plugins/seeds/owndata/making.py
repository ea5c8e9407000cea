"""Makes tasks of a user's folder of CSV files: repeated splits, boards of real solutions, as `realdata` does."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from sandmle.core.engine.answers import parse_answers
from sandmle.core.engine.metrics import check_truth
from sandmle.core.errors import TaskError
from sandmle.core.types.task import TaskLayout
from sandmle.plugins.seeds.builtin import View
from sandmle.plugins.seeds.owndata.reading import Table, Wish, read_table
from sandmle.plugins.seeds.realdata.benchmark import open_folder, put, refuse_altered
from sandmle.plugins.seeds.realdata.drafting import draft_of
from sandmle.plugins.seeds.realdata.rows import (
    FEWEST_ROWS,
    LEAST_OF_A_CLASS,
    TRAIN_SHARE,
    Split,
    answers_file,
    split_rows,
)

SPLITS_TRIED: Final = 20
"""Draws of a split until both boards can be scored."""
NAMES: Final = ("id", "row_id", "sandmle_id")
"""What the column of ids is called: the first that the file does not use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnData:
    """A folder of CSV files and how they become tasks."""

    folder: Path
    """Each `NAME.csv` is a data set; `NAME.md` beside it says in words what it holds."""
    out: Path
    repeats: int = 3
    rng_seed: int = 0
    wishes: Mapping[str, Wish] = field(default_factory=dict)
    """Name of a file, without `.csv`, to what is wished of it; "" stands for every file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What came of a folder."""

    tasks: Sequence[Path]
    notes: Mapping[str, Sequence[str]]
    """Name of a file to what was left out of it."""


def make_tasks(own: OwnData, tell: Callable[[str], None]) -> Made:
    """Write `repeats` tasks for each file; those that are there already are used again.

    Raises:
        TaskError: there is no CSV file, a file cannot be used, or a task is not as it was made.
        UsageError: the tasks cannot be written where they shall be.
        StoreError: the machine failed to write them.
    """
    tables = _tables(own)
    # Whatever a file cannot give shows before the first board is fitted, which takes time.
    splits = {
        (slug, repeat): _split(table, slug, own.rng_seed, repeat)
        for slug, table in tables.items()
        for repeat in range(own.repeats)
    }
    abouts = {slug: _about(own.folder / f"{table.name}.md") for slug, table in tables.items()}
    open_folder(own.out)
    found: list[Path] = []
    for (slug, repeat), split in splits.items():
        task_id = f"own-{slug}-{own.rng_seed}-{repeat}"
        target = own.out / task_id
        if TaskLayout(target).spec.is_file():
            refuse_altered(target)
        else:
            put(own.out, draft_of(split, task_id, own.rng_seed, repeat, abouts[slug]))
        found.append(target)
        tell(f"{task_id} is there")
    return Made(tasks=found, notes={table.name: table.notes for table in tables.values()})


def _tables(own: OwnData) -> dict[str, Table]:
    if not own.folder.is_dir():
        raise TaskError(f"no such folder: {own.folder}")
    files = sorted(path for path in own.folder.iterdir() if path.suffix.lower() == ".csv")
    if not files:
        raise TaskError(f"{own.folder} holds no .csv file")
    unknown = sorted(set(own.wishes) - {"", *(path.stem for path in files)})
    if unknown:
        raise TaskError(f"{own.folder} holds no {unknown[0]}.csv")
    tables: dict[str, Table] = {}
    for path in files:
        slug = re.sub(r"[^a-z0-9]+", "-", path.stem.lower()).strip("-") or "data"
        if slug in tables:
            raise TaskError(f"{path} and {tables[slug].name}.csv would both be called {slug!r}: rename one")
        for_all, for_one = own.wishes.get("", Wish()), own.wishes.get(path.stem, Wish())
        wish = Wish(target=for_one.target or for_all.target, metric=for_one.metric or for_all.metric)
        tables[slug] = read_table(path, wish)
    return tables


def _split(table: Table, slug: str, rng_seed: int, repeat: int) -> Split:
    rows = len(set(table.rows))
    classes = sorted(set(table.target)) if table.task_type == "classification" else []
    # Every class needs its rows among the training rows.
    needed = max(FEWEST_ROWS, math.ceil(len(classes) * LEAST_OF_A_CLASS / TRAIN_SHARE))
    if rows < needed:
        raise TaskError(f"{table.name}.csv has {rows} different rows with a target: {needed} are needed")
    view = View(
        seed_id=f"own-{slug}",
        title=f"Predict {table.target_column} of {table.name}",
        modality="tabular",
        task_type=table.task_type,
        metric=table.metric,
        source=f"{table.name}.csv",
        load=lambda shelf: (list(table.rows), np.array(table.target)),
    )
    taken = {*table.header, table.target_column, *classes, "board"}
    if (table.target_column == "board") or (free := [name for name in NAMES if name not in taken]) == []:
        raise TaskError(f"{table.name}.csv: rename the columns 'board' and {', '.join(NAMES)}, which answers use")
    columns = {"header": table.header, "id_column": free[0], "target_column": table.target_column}
    problem: TaskError | None = None
    for draw in range(SPLITS_TRIED):
        stream = f"owndata:{slug}:{rng_seed}:{repeat}:{draw}"
        split = split_rows(view, list(table.rows), np.array(table.target), stream, **columns)
        try:
            return _scorable(split)
        except TaskError as found:
            problem = found
    raise TaskError(f"{table.name}.csv: in no split can both boards be scored: {problem}")


def _scorable(split: Split) -> Split:
    key = parse_answers(answers_file(split), split.form)
    truth, private = np.array(key.truth), np.array(key.private)
    for board in (private, ~private):
        check_truth(split.view.metric, truth[board])
    return split


def _about(path: Path) -> str:
    try:
        return path.read_text("utf-8") if path.is_file() else ""
    except (OSError, UnicodeDecodeError) as problem:
        raise TaskError(f"cannot read {path}: {problem}") from problem
