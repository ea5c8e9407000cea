"""What a cell holds that no one sees: blanks at its ends or doubled, and zeros or signs that change no number.

An honest script leaves some of it, such as what a swapped letter or a fixed number of decimals makes. It gives the
target away where it goes with the target.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

Reader = Callable[[str], int]

_DOUBLED: Final = re.compile(r"(?<=\S)[ ]{2,}(?=\S)")
_ENDS: Final = re.compile(r"[ ]+(?=\n|\Z)")
_PLAIN: Final = (1e-4, 1e15)
"""Sizes of numbers that Python writes without an exponent."""


def unseen_features(
    kind: str, train: Sequence[str], test: Sequence[str]
) -> Iterator[tuple[tuple[float, ...], tuple[float, ...]]]:
    """Numbers that can be read off what is not seen in a column, for training and test rows; only such as vary.

    Args:
        kind: of the column: `text`, `category` or `number`; others hold nothing of the kind.
        train: cells of the training rows.
        test: cells of the test rows.
    """
    for read in _number_readers([*train, *test]) if kind == "number" else _READERS.get(kind, ()):
        known, asked = (tuple(float(read(cell)) for cell in cells) for cells in (train, test))
        if len({*known, *asked}) > 1:
            yield known, asked


def _number_readers(cells: Sequence[str]) -> Iterator[Reader]:
    """What may hide in numbers: where all are written in one way, nothing does, and gaps among them are seen."""
    numbers = [cell for cell in cells if _is_number(cell)]
    if len({cell.partition(".")[2].isdigit() and len(cell.partition(".")[2]) for cell in numbers}) > 1:
        yield _surplus
    if len({cell.startswith("+") for cell in numbers if not cell.startswith("-")}) > 1:
        yield lambda cell: cell.startswith("+")


def _is_number(cell: str) -> bool:
    try:
        return math.isfinite(float(cell))
    except ValueError:
        return False


def _leading(cell: str) -> int:
    return len(cell) - len(cell.lstrip(" "))


def _trailing(cell: str) -> int:
    return sum(map(len, _ENDS.findall(cell)))


def _doubled(cell: str) -> int:
    return sum(map(len, _DOUBLED.findall(cell)))


def _surplus(cell: str) -> int:
    """Characters beyond those that the number needs, and its sign."""
    if not _is_number(cell):
        return 0
    value = float(cell)
    if value and not _PLAIN[0] <= abs(value) < _PLAIN[1]:
        return 0
    return len(cell.removeprefix("+").removesuffix(".0")) - len(repr(value).removesuffix(".0"))


_BLANKS: Final[tuple[Reader, ...]] = (_leading, _trailing, _doubled)
_READERS: Final[Mapping[str, tuple[Reader, ...]]] = MappingProxyType({"text": _BLANKS, "category": _BLANKS})
