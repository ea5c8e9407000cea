"""CSV files written by an untrusted generator script, parsed with limits by the standard library."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final

MAX_TABLE_BYTES: Final = 32 * 2**20
MAX_COLUMNS: Final = 500
MAX_ROWS: Final = 1_000_000
"""As many as a task's training table may have: millions of blank cells are a small file, and much memory."""


class FaultError(ValueError):
    """What a role produced breaks its contract; the message goes back to the role."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A parsed file: rectangular, with a header of distinct names."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def column(self, name: str) -> tuple[str, ...]:
        at = self.header.index(name)
        return tuple(row[at] for row in self.rows)

    def without(self, *names: str) -> tuple[tuple[str, ...], ...]:
        """The rows with the named columns left out."""
        kept = [at for at, name in enumerate(self.header) if name not in names]
        return tuple(tuple(row[at] for at in kept) for row in self.rows)


def parse_table(files: Mapping[str, bytes], path: str, most: int = MAX_TABLE_BYTES) -> Table:
    """Parse one of the files a script wrote, of at most `most` bytes.

    Raises:
        FaultError: it is missing, too large, not UTF-8, not CSV, ragged or without rows.
    """
    if path not in files:
        raise FaultError(f"{path} was not written; files found: {', '.join(sorted(files)[:12]) or 'none'}")
    lines = _lines(files[path], path, most)
    header = lines.pop(0)
    if len(header) > MAX_COLUMNS or len(set(header)) != len(header):
        raise FaultError(f"{path}: the header must hold at most {MAX_COLUMNS} distinct names")
    for number, row in enumerate(lines, 1):
        if len(row) != len(header):
            raise FaultError(f"{path}, data row {number}: {len(row)} cells, the header has {len(header)}")
    return Table(header=header, rows=tuple(lines))


def _lines(content: bytes, path: str, most: int) -> list[tuple[str, ...]]:
    """Header and rows, two at least."""
    if len(content) > most:
        raise FaultError(f"{path} has {len(content)} bytes; at most {most} are allowed")
    if b"\0" in content:
        raise FaultError(f"{path} holds a NUL byte")
    try:
        text = content.decode("utf-8")
        rows = (tuple(row) for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row)
        lines = list(islice(rows, MAX_ROWS + 2))
    except UnicodeDecodeError as problem:
        raise FaultError(f"{path} is not UTF-8 text (byte {problem.start})") from problem
    except csv.Error as problem:
        raise FaultError(f"{path} is not CSV: {problem}") from problem
    if len(lines) < 2:
        raise FaultError(f"{path} has no data rows")
    if len(lines) > MAX_ROWS + 1:
        raise FaultError(f"{path} has more than {MAX_ROWS} data rows")
    return lines
