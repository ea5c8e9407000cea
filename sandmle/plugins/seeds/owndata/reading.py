"""A user's CSV file read: its rows, its kinds of columns, and what is to be predicted. Nothing leaves the machine."""

import csv
import io
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sandmle.core.errors import TaskError, nearest
from sandmle.core.types.metrics import METRICS, METRICS_BY_TASK_TYPE, TWO_CLASS_METRICS, suits
from sandmle.core.types.task import TaskType
from sandmle.plugins.seeds.realdata.columns import is_missing, number_of

MAX_BYTES: Final = 64 * 2**20
MAX_COLUMNS: Final = 500
MOST_CLASSES: Final = 20
CLASSES_OF_NUMBERS: Final = 10
"""A column of whole numbers with at most so many different ones holds classes."""
LEAST_ROWS_OF_A_CLASS: Final = 12
"""Rows of a rarer class are left out: they would not reach training rows and both boards."""
TARGETS: Final = ("target", "label", "class", "y", "outcome")
"""Names by which a target is known, in lower case; where no column has one, the last column is it."""
DELIMITERS: Final = (",", ";", "\t", "|")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a person said about a file; None leaves it to the file."""

    target: str | None = None
    metric: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A file ready to be split."""

    name: str
    header: tuple[str, ...]
    """Of the features."""
    rows: tuple[tuple[str, ...], ...]
    target_column: str
    target: tuple[str, ...]
    """As it is to be written."""
    task_type: TaskType
    metric: str
    notes: tuple[str, ...]
    """What was left out, and why."""


def read_table(path: Path, wish: Wish) -> Table:
    """Read one file.

    Raises:
        TaskError: it is no table, or nothing can be predicted in it; the message says what to do.
    """
    header, rows = _cells(path)
    target_at = _target_at(path, header, wish)
    notes: list[str] = []
    rows = _with_target(rows, target_at, notes)
    target = [row[target_at].strip() for row in rows]
    task_type, target = _task_type(path, header[target_at], target)
    if task_type == "classification":
        rows, target = _common_classes(path, rows, target, notes)
    kept = [at for at in range(len(header)) if at != target_at and not _gives_away(header, rows, at, target, notes)]
    if not kept:
        raise TaskError(f"{path}: no column is left to predict {header[target_at]!r} from: {'; '.join(notes)}")
    features = tuple(tuple(row[at] for at in kept) for row in rows)
    if copies := len(features) - len(set(features)):
        notes.append(f"{copies} rows with the very features of an earlier row")
    return Table(
        name=path.stem,
        header=tuple(header[at] for at in kept),
        rows=features,
        target_column=header[target_at],
        target=tuple(target),
        task_type=task_type,
        metric=_metric(path, task_type, target, wish),
        notes=tuple(notes),
    )


def read_header(path: Path) -> list[str]:
    """Names of the columns of a file.

    Raises:
        TaskError: it is no table.
    """
    return _cells(path)[0]


def _text(path: Path) -> str:
    try:
        state = path.stat()
        if not stat.S_ISREG(state.st_mode):
            raise TaskError(f"{path} is not a regular file")
        if state.st_size > MAX_BYTES:
            raise TaskError(f"{path} has more than {MAX_BYTES // 2**20} MiB: take a sample of its rows")
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as problem:
        raise TaskError(f"cannot read {path}: {problem.strerror}") from problem
    except UnicodeDecodeError as problem:
        raise TaskError(f"{path} is not UTF-8 text (byte {problem.start}): convert it first") from problem
    if "\0" in text:
        raise TaskError(f"{path} is not text: it holds NUL bytes")
    return text


def _cells(path: Path) -> tuple[list[str], list[list[str]]]:
    lines = _lines(path, _text(path))
    header = [name.strip() for name in next(lines, [])]
    repeated = [name for name, count in Counter(header).items() if count > 1]
    if repeated or not all(header):
        wrong = f"two columns {repeated[0]!r}" if repeated else "a column without a name"
        raise TaskError(f"{path}: the header has {wrong}")
    if not 2 <= len(header) <= MAX_COLUMNS:
        raise TaskError(f"{path} has {len(header)} columns: 2 to {MAX_COLUMNS} can be used")
    rows = list(lines)
    if not rows:
        raise TaskError(f"{path} has no rows below its header")
    for number, row in enumerate(rows, 1):
        if len(row) != len(header):
            raise TaskError(f"{path}, row {number}: {len(row)} cells, the header has {len(header)}")
    return header, rows


def _lines(path: Path, text: str) -> Iterator[list[str]]:
    first = text.lstrip("\r\n").partition("\n")[0]
    delimiter = max(DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        yield from (cells for cells in reader if any(cell.strip() for cell in cells))
    except csv.Error as problem:
        raise TaskError(f"{path}, line {reader.line_num}: no CSV: {problem}") from problem


def _target_at(path: Path, header: Sequence[str], wish: Wish) -> int:
    if wish.target is not None:
        if wish.target not in header:
            raise TaskError(f"{path} has no column {wish.target!r}; {nearest(wish.target, list(header))}")
        return header.index(wish.target)
    known = {name.lower(): at for at, name in enumerate(header)}
    return next((known[name] for name in TARGETS if name in known), len(header) - 1)


def _with_target(rows: list[list[str]], at: int, notes: list[str]) -> list[list[str]]:
    kept = [row for row in rows if not is_missing(row[at])]
    if len(kept) < len(rows):
        notes.append(f"{len(rows) - len(kept)} rows without a target")
    return kept


def _task_type(path: Path, column: str, target: list[str]) -> tuple[TaskType, list[str]]:
    values = [number_of(cell) for cell in target]
    if not values or any(value is None or value != value for value in values):
        if len(set(target)) > MOST_CLASSES:
            raise TaskError(
                f"{path}: column {column!r} holds {len(set(target))} different words, at most {MOST_CLASSES} make "
                "classes: name another target"
            )
        return "classification", target
    numbers = [float(value) for value in values if value is not None]
    if all(value.is_integer() for value in numbers) and len(set(numbers)) <= CLASSES_OF_NUMBERS:
        return "classification", [str(int(value)) for value in numbers]
    return "regression", [f"{value:.6g}" for value in numbers]


def _common_classes(
    path: Path, rows: list[list[str]], target: list[str], notes: list[str]
) -> tuple[list[list[str]], list[str]]:
    counts = Counter(target)
    rare = sorted(name for name, count in counts.items() if count < LEAST_ROWS_OF_A_CLASS)
    if rare:
        notes.append(f"{sum(counts[name] for name in rare)} rows of classes with too few: {', '.join(rare[:5])}")
    if len(counts) - len(rare) < 2:
        raise TaskError(f"{path}: fewer than two classes have {LEAST_ROWS_OF_A_CLASS} rows each: name another target")
    kept = [at for at, name in enumerate(target) if name not in rare]
    return [rows[at] for at in kept], [target[at] for at in kept]


def _gives_away(
    header: Sequence[str], rows: Sequence[Sequence[str]], at: int, target: Sequence[str], notes: list[str]
) -> bool:
    """Whether a column only counts or names the rows, or tells the answer in other words."""
    cells = [row[at].strip() for row in rows]
    numbers = [number_of(cell) for cell in cells]
    reason = None
    if all(is_missing(cell) for cell in cells):
        reason = "is empty"
    elif len(set(cells)) == len(cells):
        whole = [value for value in numbers if value is not None and float(value).is_integer()]
        if len(whole) == len(cells) and whole in (sorted(whole), sorted(whole, reverse=True)):
            reason = "counts the rows"
        elif all(value is None for value in numbers) and not any(" " in cell for cell in cells):
            reason = "names the rows"
    elif 1 < len(set(target)) == len(set(cells)) == len(set(zip(cells, target, strict=True))):
        reason = "tells the target in other words"
    if reason is None:
        return False
    notes.append(f"column {header[at]!r}, which {reason}")
    return True


def _metric(path: Path, task_type: TaskType, target: Sequence[str], wish: Wish) -> str:
    two = len(set(target)) == 2
    if wish.metric is None:
        return "rmse" if task_type == "regression" else "roc_auc" if two else "f1_macro"
    if wish.metric not in METRICS:
        raise TaskError(f"no metric {wish.metric!r}; {nearest(wish.metric, list(METRICS))}")
    if not suits(wish.metric, task_type) or (wish.metric in TWO_CLASS_METRICS and not two):
        known = ", ".join(METRICS_BY_TASK_TYPE[task_type])
        raise TaskError(f"{path}: {wish.metric} does not suit this {task_type}; of {known} some do")
    return wish.metric
