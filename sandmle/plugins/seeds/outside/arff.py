"""Reads ARFF, the text format of OpenML and Weka, with limits: the dense form, and the sparse one.

Format: https://waikato.github.io/weka-wiki/formats_and_processing/arff_stable/
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sandmle.core.engine.file_trees import read_regular
from sandmle.core.errors import TaskError

MAX_BYTES: Final = 64 * 2**20
MAX_ATTRIBUTES: Final = 500
_ATTRIBUTE: Final = re.compile(r"@attribute\s+('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|\S+)\s+(.+)", re.IGNORECASE)
_SPARSE: Final = re.compile(r"\s*([0-9]+)\s+(.*)", re.DOTALL)
_CELL: Final = re.compile(r"""(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^,'"])*""")
_ESCAPE: Final = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """One declared column."""

    name: str
    levels: tuple[str, ...]
    """Of a nominal attribute; empty for numbers, dates and strings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arff:
    """A whole file; a missing value is an empty cell."""

    attributes: tuple[Attribute, ...]
    rows: tuple[tuple[str, ...], ...]


def read_arff(path: Path) -> Arff:
    """Read one file.

    Raises:
        TaskError: it is no ARFF, or larger than may be read; the message says where.
    """
    try:
        text = read_regular(path, MAX_BYTES).decode("utf-8-sig")
    except FileNotFoundError as problem:
        raise TaskError(f"no such file: {path}") from problem
    except UnicodeDecodeError as problem:
        raise TaskError(f"{path} is not UTF-8 text (byte {problem.start}): convert it first") from problem
    lines = iter(enumerate(text.splitlines(), 1))
    attributes = _header(path, lines)
    rows = [_row(path, number, line, attributes) for number, line in lines if _says_something(line)]
    if not rows:
        raise TaskError(f"{path} has no rows after @data")
    return Arff(attributes=attributes, rows=tuple(rows))


def _header(path: Path, lines: Iterator[tuple[int, str]]) -> tuple[Attribute, ...]:
    found: list[Attribute] = []
    for number, line in lines:
        word = line.strip().partition(" ")[0].partition("\t")[0].lower()
        if not _says_something(line) or word == "@relation":
            continue
        if word == "@data":
            break
        declared = _ATTRIBUTE.fullmatch(line.strip())
        if declared is None or len(found) == MAX_ATTRIBUTES:
            raise TaskError(
                f"{path}, line {number}: up to @data, {MAX_ATTRIBUTES} `@attribute NAME TYPE` at most are expected"
            )
        found.append(Attribute(name=_plain(declared[1]), levels=_levels(path, number, declared[2].strip())))
    else:
        raise TaskError(f"{path} has no @data line: it is no ARFF file")
    names = [one.name for one in found]
    if len(found) < 2 or len(set(names)) != len(names):
        raise TaskError(f"{path} must declare two attributes at least, and none twice")
    return tuple(found)


def _levels(path: Path, number: int, kind: str) -> tuple[str, ...]:
    if not kind.startswith("{"):
        return ()
    if not kind.endswith("}"):
        raise TaskError(f"{path}, line {number}: the list of values is not closed")
    return tuple(_cells(path, number, kind[1:-1]))


def _row(path: Path, number: int, line: str, attributes: Sequence[Attribute]) -> tuple[str, ...]:
    line = line.strip()
    if line.startswith("{"):
        return _sparse(path, number, line, attributes)
    cells = _cells(path, number, line)
    if len(cells) != len(attributes):
        raise TaskError(f"{path}, line {number}: {len(cells)} values, {len(attributes)} attributes are declared")
    return tuple("" if cell == "?" else cell for cell in cells)


def _sparse(path: Path, number: int, line: str, attributes: Sequence[Attribute]) -> tuple[str, ...]:
    # What a sparse row does not name is zero, or the first of the declared values.
    row = [one.levels[0] if one.levels else "0" for one in attributes]
    named = line[1:].rstrip("} \t")
    for cell in _cells(path, number, named) if named else ():
        found = _SPARSE.fullmatch(cell)
        if found is None or int(found[1]) >= len(row):
            raise TaskError(f"{path}, line {number}: {cell[:40]!r} is not `INDEX VALUE` of a declared attribute")
        value = _plain(found[2].strip())
        row[int(found[1])] = "" if value == "?" else value
    return tuple(row)


def _cells(path: Path, number: int, text: str) -> list[str]:
    """The values between commas; a comma inside quotes parts nothing."""
    found, at = [], 0
    while True:
        cell = _CELL.match(text, at)
        end = cell.end() if cell else at
        found.append(_plain(text[at:end].strip()))
        if end == len(text):
            return found
        if text[end] != ",":
            raise TaskError(f"{path}, line {number}: a quote is not closed")
        at = end + 1


def _plain(word: str) -> str:
    if len(word) > 1 and word[0] == word[-1] and word[0] in "'\"":
        return _ESCAPE.sub(r"\1", word[1:-1])
    return word


def _says_something(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("%")
