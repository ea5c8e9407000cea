"""A table of text cells as numbers: what a plain solution makes of columns it knows nothing about."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]
Rows = Sequence[Sequence[str]]

MISSING: Final = frozenset({"", "na", "n/a", "nan", "null", "none", "?", "-"})
"""Cells that hold nothing, in lower case."""
LEVELS: Final = 12
"""Words of a column that get an indicator each, the most frequent of the training rows."""
LONG_TEXT: Final = 4.0
"""Words a cell, on average, from which a column is a text."""
TEXT_WORDS: Final = 40
"""Words of a text column that are counted, the most frequent of the training rows."""


def is_missing(cell: str) -> bool:
    """Whether the cell holds nothing."""
    return cell.strip().lower() in MISSING


def number_of(cell: str) -> float | None:
    """The finite number in a cell; NaN where it is missing, None where it is no number."""
    if is_missing(cell):
        return math.nan
    try:
        value = float(cell)
    except ValueError:
        return None
    # Python reads 1_000 and digits of every script; no other reader of CSV does.
    if "_" in cell or not cell.isascii():
        return None
    return value if math.isfinite(value) else math.nan


def encode_columns(known: Rows, asked: Rows) -> tuple[Matrix, Matrix]:
    """Training and test rows as matrices.

    A column that is numbers in both stays one, its holes filled with the training rows' median and, where there are
    any, told by a column of their own; words become indicators, texts counts of words.
    """
    parts = [_encode([row[at] for row in known], [row[at] for row in asked]) for at in range(len(known[0]))]
    return np.column_stack([one for one, _ in parts]), np.column_stack([other for _, other in parts])


def _encode(known: Sequence[str], asked: Sequence[str]) -> tuple[Matrix, Matrix]:
    numbers = [[number_of(cell) for cell in part] for part in (known, asked)]
    if all(value is not None for part in numbers for value in part):
        return _numbers(*[np.array(part, dtype=float) for part in numbers])
    if np.mean([len(cell.split()) for cell in known]) >= LONG_TEXT:
        bags = [[Counter(cell.lower().split()) for cell in part] for part in (known, asked)]
        words = _frequent([word for bag in bags[0] for word in bag], TEXT_WORDS)
        one, other = ([[float(bag[word]) for word in words] for bag in part] for part in bags)
    else:
        words = _frequent(list(known), LEVELS)
        one, other = ([[float(cell == word) for word in words] for cell in part] for part in (known, asked))
    return np.array(one), np.array(other)


def _numbers(known: Matrix, asked: Matrix) -> tuple[Matrix, Matrix]:
    holes = np.isnan(known)
    usual = float(np.median(known[~holes])) if not holes.all() else 0.0
    filled = [np.where(np.isnan(part), usual, part)[:, None] for part in (known, asked)]
    if holes.any():
        filled = [np.column_stack([part, np.isnan(raw)]) for part, raw in zip(filled, (known, asked), strict=True)]
    return filled[0], filled[1]


def _frequent(words: list[str], most: int) -> list[str]:
    counts = Counter(words)
    return sorted(counts, key=lambda word: (-counts[word], word))[:most]
