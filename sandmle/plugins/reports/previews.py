"""What a task looks like: first rows, texts, and the files that rows name.

Task files may come from a stranger, so every read has a limit.
"""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from markupsafe import Markup

from sandmle.core.types.task import SubmissionFormat, TaskLayout
from sandmle.plugins.reports import numbers
from sandmle.plugins.reports.links import draw_links
from sandmle.plugins.reports.media import Media, read_media

MAX_ROWS: Final = 5
MAX_COLUMNS: Final = 14
MAX_CELL: Final = 60
MAX_TEXTS: Final = 4
MAX_TEXT: Final = 360
TEXT_FROM: Final = 80
"""A cell longer than this many characters makes its column a text column."""
MAX_CSV_BYTES: Final = 4_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What of a task's public files the report shows."""

    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    hidden_columns: int = 0
    texts: tuple[tuple[str, str], ...] = ()
    """(label, text) of some training rows."""
    media: Media = field(default_factory=Media)
    links: Markup | None = None
    """A piece of the graph, where the rows are linked."""
    notes: tuple[str, ...] = ()
    """What could not be shown, and why."""


def read_preview(layout: TaskLayout, submission: SubmissionFormat) -> Preview:
    """Read the first training rows, the texts they hold, and the files they name."""
    notes: list[str] = []
    table = _read_csv(layout.public / "train.csv", 200, notes)
    if not table:
        return Preview(notes=tuple(notes))
    header, rows = table[0], table[1:]
    labels = _labels(header, rows, submission)
    media = read_media(layout.public, rows, labels, notes)
    return Preview(
        header=tuple(numbers.clip_line(name, MAX_CELL) for name in header[:MAX_COLUMNS]),
        rows=tuple(tuple(numbers.clip_line(cell, MAX_CELL) for cell in row[:MAX_COLUMNS]) for row in rows[:MAX_ROWS]),
        hidden_columns=max(0, len(header) - MAX_COLUMNS),
        texts=_texts(rows, labels),
        media=media,
        links=_links(layout.public, header, rows, submission),
        notes=tuple(notes),
    )


def _links(
    public: Path, header: Sequence[str], rows: Sequence[Sequence[str]], submission: SubmissionFormat
) -> Markup | None:
    if submission.id_column not in header:
        return None
    at = header.index(submission.id_column)
    return draw_links(public, [row[at] for row in rows if at < len(row)])


def read_board(path: Path) -> tuple[tuple[float, ...], str | None]:
    """The `score` column of a leaderboard, and what was wrong with the file, if anything.

    Cells that are no number are NaN: they are counted as board rows and not drawn.
    """
    notes: list[str] = []
    table = _read_csv(path, 10_000, notes)
    if not table:
        return (), (notes or ["leaderboard.csv is empty"])[0]
    if "score" not in table[0]:
        return (), "leaderboard.csv has no column 'score'"
    column = table[0].index("score")
    return tuple(_number(row[column]) if column < len(row) else math.nan for row in table[1:]), None


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return math.nan


def _read_csv(path: Path, rows: int, notes: list[str]) -> list[list[str]]:
    if path.is_symlink() or not path.is_file():
        notes.append(f"{path.name} is missing or not a regular file")
        return []
    try:
        with path.open("rb") as handle:
            content = handle.read(MAX_CSV_BYTES)
    except OSError as problem:
        notes.append(f"{path.name} cannot be read: {problem.strerror}")
        return []
    reader = csv.reader(io.StringIO(content.decode("utf-8", "replace"), newline=""))
    table: list[list[str]] = []
    try:
        for row in reader:
            if row:
                table.append(row)
            if len(table) > rows:
                break
    except csv.Error as problem:
        notes.append(f"{path.name} stops being CSV after {len(table)} lines ({problem})")
    return table


def _labels(header: Sequence[str], rows: Sequence[Sequence[str]], submission: SubmissionFormat) -> list[str]:
    """The target of each row as text: the training column outside the id that the submission names, or the last."""
    names = [name for name in submission.target_columns if name in header]
    columns = [header.index(name) for name in names] or [len(header) - 1]
    return [", ".join(row[column] for column in columns if column < len(row)) for row in rows]


def _texts(rows: Sequence[Sequence[str]], labels: Sequence[str]) -> tuple[tuple[str, str], ...]:
    found = []
    for row, label in zip(rows, labels, strict=True):
        longest = max(row, key=len, default="")
        if len(longest) >= TEXT_FROM:
            found.append((numbers.clip_line(label, MAX_CELL), numbers.clip_line(longest, MAX_TEXT)))
    return tuple(found[:MAX_TEXTS])
