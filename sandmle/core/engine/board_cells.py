"""Leaderboard cells to typed values, as pandas infers them.

Follows pandas 3.1: decimals are correctly rounded and integers may have any size. (pandas 2.2 reads decimals of
more than 15 digits up to one unit in the last place off, and integers beyond 64 bits as text.)
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

MISSING: Final = frozenset(
    {"", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN"}
    | {"<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"}
)
"""Cells that pandas reads as missing unless told otherwise (`pandas._libs.parsers.STR_NA_VALUES`)."""

_INFINITIES: Final = {
    sign + word: -math.inf if sign == "-" else math.inf for sign in ("", "+", "-") for word in ("inf", "infinity")
}
_BOOLEANS: Final = {"true": True, "false": False}

_SPACE: Final = r"[ \t\n\v\f\r]*"
_INTEGER: Final = re.compile(rf"{_SPACE}([+-]?)0*([0-9]+)(?P<rest>.*)", re.DOTALL)
_SPACES: Final = re.compile(_SPACE)
_DECIMAL: Final = re.compile(rf"{_SPACE}([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?){_SPACE}")
_BIG_INTEGER: Final = re.compile(rf"{_SPACE}([+-]?[0-9]+(?:_[0-9]+)*){_SPACE}")

_INT64: Final = range(-(2**63), 2**63)
_UINT64: Final = range(2**64)
_MORE_DIGITS_THAN_64_BITS: Final = 21

Number = int | float


class ColumnKind(StrEnum):
    """What pandas would make of a column."""

    INTEGER = "integer"
    """64-bit integers: a float is compared with them as floats."""
    FLOAT = "float"
    BOOLEAN = "boolean"
    OBJECT = "object"
    """Python integers of any size, or booleans beside missing values."""
    TEXT = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardColumn:
    """One typed column. Missing values are NaN; a text column has no values, only a length."""

    kind: ColumnKind
    values: tuple[Number, ...]
    n_rows: int


class _Parsed(StrEnum):
    INVALID = "invalid"
    OVERFLOW = "overflow"


def typed_column(cells: Sequence[str]) -> BoardColumn:
    """Type a column: integer if every cell is one, else float, else boolean, else text."""
    kind, values = _integers(cells) or _floats(cells) or _booleans(cells) or (ColumnKind.TEXT, ())
    return BoardColumn(kind=kind, values=tuple(values), n_rows=len(cells))


_Typed = tuple[ColumnKind, Sequence[Number]]


def _integers(cells: Sequence[str]) -> _Typed | None:
    values: list[Number] = []
    missing = False
    for cell in cells:
        if cell in MISSING:
            missing = True
            values.append(math.nan)
            continue
        value = _integer(cell, _INT64)
        if value is _Parsed.INVALID:
            return None
        if value is _Parsed.OVERFLOW:
            return _unsigned(cells)
        values.append(value)
    if missing:
        return ColumnKind.FLOAT, [float(value) for value in values]
    return ColumnKind.INTEGER, values


def _unsigned(cells: Sequence[str]) -> _Typed | None:
    # pandas makes a second pass over the whole column, in which a negative cell is noted and not looked at.
    values: list[Number] = []
    negative = missing = large = False
    for cell in cells:
        if cell in MISSING:
            missing = True
        elif _SPACES.sub("", cell, count=1).startswith("-"):
            negative = True
        else:
            value = _integer(cell, _UINT64)
            if value is _Parsed.INVALID:
                return None
            if value is _Parsed.OVERFLOW:
                return _big_integers(cells)
            large = large or value not in _INT64
            values.append(value)
    if large and (negative or missing):
        return ColumnKind.TEXT, ()
    return _big_integers(cells) if negative else (ColumnKind.INTEGER, values)


def _integer(cell: str, span: range) -> int | _Parsed:
    match = _INTEGER.fullmatch(cell)
    if match is None:
        return _Parsed.INVALID
    sign, digits, rest = match.groups()
    if len(digits) < _MORE_DIGITS_THAN_64_BITS:
        value = int(sign + digits)
        if value in span:
            return value if _SPACES.fullmatch(rest) else _Parsed.INVALID
    # pandas takes an integer that does not fit for none at all when anything, even a space, follows it.
    return _Parsed.INVALID if rest else _Parsed.OVERFLOW


def _big_integers(cells: Sequence[str]) -> _Typed:
    values: list[Number] = []
    for cell in cells:
        if cell in MISSING:
            values.append(math.nan)
            continue
        match = _BIG_INTEGER.fullmatch(cell)
        if match is None:
            return ColumnKind.TEXT, ()
        try:
            values.append(int(match[1]))
        except ValueError:
            # Python refuses decimal integers beyond its own length limit, and then pandas keeps the text.
            return ColumnKind.TEXT, ()
    return ColumnKind.OBJECT, values


def _floats(cells: Sequence[str]) -> _Typed | None:
    values: list[Number] = []
    for cell in cells:
        if cell in MISSING:
            values.append(math.nan)
        elif match := _DECIMAL.fullmatch(cell):
            values.append(float(match[1]))
        elif (infinity := _INFINITIES.get(cell.lower())) is not None:
            values.append(infinity)
        else:
            return None
    return ColumnKind.FLOAT, values


def _booleans(cells: Sequence[str]) -> _Typed | None:
    values: list[Number] = []
    missing = False
    for cell in cells:
        if cell in MISSING:
            missing = True
            values.append(math.nan)
        elif (boolean := _BOOLEANS.get(cell.lower())) is not None:
            values.append(boolean)
        else:
            return None
    return ColumnKind.OBJECT if missing else ColumnKind.BOOLEAN, values
