"""Untrusted CSV bytes to rows of text and cells to numbers, within limits. Standard library only."""

import csv
import io
import math
import re
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final

MAX_BYTES: Final = 32 * 2**20
TOO_LARGE: Final = f"the file is too large: at most {MAX_BYTES // 2**20} MiB are read"
MAX_LINE_CHARACTERS: Final = 64 * 1024
MAX_COLUMNS: Final = 2000
MAX_BLANK_LINES: Final = 100_000
SHOWN: Final = 60
BLANKS: Final = " \t\n\v\f\r"
"""What may stand around a cell: what pandas passes over before and after a number (`isspace_ascii` of its tokenizer).

Python's own `strip` and `float` also pass over separators of ASCII and spaces of other scripts, which no reader of CSV
takes for a part of a number.
"""
_LINE_BLANKS: Final = " \t\r\n"
"""A line of nothing else is no row, to pandas (`skip_blank_lines`) and here."""
_WHOLE: Final = re.compile(r"([+-]?)0*([0-9]{1,40})")
_DECIMAL: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


class InvalidSubmission(ValueError):  # noqa: N818
    """The submission cannot be graded: a verdict on it and no error of ours. The message is for its author."""


def read_table(content: bytes, max_rows: int | None) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """Header and numbered data rows (the first is row 1), with every limit enforced."""
    if len(content) > MAX_BYTES:
        raise InvalidSubmission(TOO_LARGE)
    if b"\0" in content:
        raise InvalidSubmission("the file is not text: it holds NUL bytes")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise InvalidSubmission(f"the file is not UTF-8 text (byte {problem.start})") from problem
    lines = _lines(text, max_rows)
    header = [name.strip(BLANKS) for name in next((cells for _, cells in lines), [])]
    if not header:
        raise InvalidSubmission("the file is empty: it needs a header line and one row per test id")
    if len(header) > MAX_COLUMNS:
        raise InvalidSubmission(f"the file has {len(header)} columns, at most {MAX_COLUMNS} are read")
    return header, lines


def _lines(text: str, max_rows: int | None) -> Iterator[tuple[int, list[str]]]:
    latest: deque[str] = deque(maxlen=1)
    reader = csv.reader(_bounded_lines(text, latest), strict=True)
    number, blank = -1, 0
    try:
        for cells in reader:
            # An empty cell in quotes makes a row, which only the line itself tells.
            if len(cells) <= 1 and not latest[0].strip(_LINE_BLANKS):
                blank += 1
                if blank > MAX_BLANK_LINES:
                    raise InvalidSubmission(f"more than {MAX_BLANK_LINES} lines of the file are blank")
                continue
            number += 1
            if max_rows is not None and number > max_rows:
                raise InvalidSubmission(f"too many rows: more than {max_rows}")
            yield number, cells
    except csv.Error as problem:
        raise InvalidSubmission(f"row {number + 1}: not comma-separated text ({problem})") from problem


def _bounded_lines(text: str, latest: deque[str]) -> Iterator[str]:
    # A quoted cell may hold line breaks, so the limit also bounds what an unclosed quote can swallow per line;
    # the csv module bounds a whole cell (128 KiB).
    for number, line in enumerate(io.StringIO(text, newline=""), 1):
        if len(line) > MAX_LINE_CHARACTERS:
            raise InvalidSubmission(
                f"line {number} is too long: {len(line)} characters, at most {MAX_LINE_CHARACTERS} are read"
            )
        latest.append(line)
        yield line


def same_width(number: int, cells: Sequence[str], header: Sequence[str]) -> None:
    """Refuse a row that has more or fewer cells than the header."""
    if len(cells) != len(header):
        raise InvalidSubmission(f"row {number}: {len(cells)} cells, the header has {len(header)}")


def number_in(cell: str, column: str, number: int) -> float:
    """The finite number a cell holds."""
    try:
        value = float(cell)
    except ValueError:
        why = f"{cell[:SHOWN]!r} is not a number" if cell else "the cell is empty"
        raise InvalidSubmission(_place(number, column, why)) from None
    if "_" in cell or not cell.isascii() or cell != cell.strip():
        # Python reads 1_000, digits of every script and separators beside a number; no other reader of CSV does.
        raise InvalidSubmission(_place(number, column, f"{cell[:SHOWN]!r} is not a number"))
    if not math.isfinite(value):
        raise InvalidSubmission(_place(number, column, f"{cell[:SHOWN]!r} is not a finite number"))
    return value


def _place(number: int, column: str, why: str) -> str:
    return f"row {number}, column {column!r}: {why}"


def code_of(cell: str, classes: Sequence[str], column: str, number: int) -> float:
    """The position of the label a cell holds."""
    if cell in classes:
        return float(classes.index(cell))
    plain = as_whole(cell)
    if plain in classes and is_whole(plain):
        return float(classes.index(plain))
    truth = cell.capitalize()
    if truth in classes and cell in (truth.upper(), truth.lower()) and sorted(classes) == ["False", "True"]:
        return float(classes.index(truth))
    shown = ", ".join(repr(name) for name in classes[:5]) + (", ..." if len(classes) > 5 else "")
    raise InvalidSubmission(
        f"row {number}, column {column!r}: {cell[:SHOWN]!r} is not one of the {len(classes)} labels ({shown})"
    )


def is_whole(text: str) -> bool:
    """Whether the text is a whole number and nothing else."""
    return text.removeprefix("-").isdecimal() and text.isascii()


def as_whole(text: str) -> str:
    """`3` for `3.0`, `03`, `+3` and `3e0`, which pandas reads as the same number; anything else unchanged."""
    if match := _WHOLE.fullmatch(text):
        # Python reads at most 4,300 digits, zeros included.
        return str(int(match[1] + match[2]))
    if _DECIMAL.fullmatch(text) and (value := float(text)).is_integer():
        return str(int(value))
    return text
