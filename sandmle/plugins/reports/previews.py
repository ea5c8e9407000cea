"""What a task looks like: first rows, pictures, texts.

Task files may come from a stranger, so every read has a limit.
"""

import base64
import csv
import io
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sandmle.core.types.task import SubmissionFormat, TaskLayout
from sandmle.plugins.reports import numbers

MAX_ROWS: Final = 5
MAX_COLUMNS: Final = 14
MAX_CELL: Final = 60
MAX_PICTURES: Final = 16
MAX_PICTURE_BYTES: Final = 24_000
MAX_PICTURE_SIDE: Final = 1024
"""Pixels; a larger picture could be made to exhaust a browser's memory from few bytes."""
MAX_TEXTS: Final = 4
MAX_TEXT: Final = 360
TEXT_FROM: Final = 80
"""A cell longer than this many characters makes its column a text column."""
MAX_CSV_BYTES: Final = 4_000_000
_PNG: Final = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One image of the training rows, as a data URI."""

    uri: str
    name: str
    caption: str
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What of a task's public files the report shows."""

    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    hidden_columns: int = 0
    texts: tuple[tuple[str, str], ...] = ()
    """(label, text) of some training rows."""
    pictures: tuple[Picture, ...] = ()
    notes: tuple[str, ...] = ()
    """What could not be shown, and why."""


def read_preview(layout: TaskLayout, submission: SubmissionFormat) -> Preview:
    """Read the first training rows, and the pictures or texts they hold."""
    notes: list[str] = []
    table = _read_csv(layout.public / "train.csv", 200, notes)
    if not table:
        return Preview(notes=tuple(notes))
    header, rows = table[0], table[1:]
    labels = _labels(header, rows, submission)
    pictures = _pictures(layout.public, rows, labels, notes)
    return Preview(
        header=tuple(numbers.clip_line(name, MAX_CELL) for name in header[:MAX_COLUMNS]),
        rows=tuple(tuple(numbers.clip_line(cell, MAX_CELL) for cell in row[:MAX_COLUMNS]) for row in rows[:MAX_ROWS]),
        hidden_columns=max(0, len(header) - MAX_COLUMNS),
        texts=_texts(rows, labels),
        pictures=pictures,
        notes=tuple(notes),
    )


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


def _pictures(
    public: Path, rows: Sequence[Sequence[str]], labels: Sequence[str], notes: list[str]
) -> tuple[Picture, ...]:
    found: list[Picture] = []
    refused = 0
    for row, label in zip(rows, labels, strict=True):
        name = next((cell for cell in row if cell.lower().endswith(".png")), None)
        if name is None:
            continue
        picture = _picture(public, name, label)
        if picture is None:
            refused += 1
        else:
            found.append(picture)
        if len(found) == MAX_PICTURES or refused == MAX_PICTURES:
            break
    if refused:
        notes.append(f"{refused} pictures are missing, outside the task, not PNG, or over {MAX_PICTURE_BYTES} bytes")
    return tuple(found)


def _picture(public: Path, name: str, label: str) -> Picture | None:
    """The picture a row names; None unless it is a small PNG below `public/`."""
    root = public.resolve()
    # A cell is the bare name of a file in some media folder, or a path below public/.
    for folder in (public, *sorted(path for path in public.iterdir() if path.is_dir())):
        try:
            path = (folder / name).resolve()
            if not path.is_relative_to(root) or not path.is_file() or path.stat().st_size > MAX_PICTURE_BYTES:
                continue
            content = path.read_bytes()
        except (OSError, ValueError):
            continue
        if len(content) < 33 or not content.startswith(_PNG):
            continue
        width, height = struct.unpack(">II", content[16:24])
        if 0 < width <= MAX_PICTURE_SIDE and 0 < height <= MAX_PICTURE_SIDE:
            uri = "data:image/png;base64," + base64.b64encode(content).decode("ascii")
            caption = numbers.clip_line(label, 24)
            return Picture(uri=uri, name=name, caption=caption, width=width, height=height)
    return None
