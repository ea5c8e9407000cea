"""Untrusted submission bytes to aligned predictions, or to one clear reason why not.

Standard library only. What is accepted: UTF-8 (a byte-order mark is tolerated), comma-separated, any row order,
further columns (ignored; a row may lack their cells), blank lines (skipped), blanks around cells, and whole numbers
written as `3.0` or `03` where ids or labels are whole numbers: what pandas reads as the same table is the same here.
Multi-class probabilities need not sum to 1: each row is divided by its sum, as Kaggle's multi-class log loss does.
Everything else is refused.
"""

import math
from collections.abc import Sequence
from itertools import repeat
from operator import truediv
from typing import Final

from sandmle.core.engine.answers import AnswerKey
from sandmle.core.engine.csv_table import (
    BLANKS,
    MAX_BYTES,
    MAX_COLUMNS,
    MAX_LINE_CHARACTERS,
    SHOWN,
    InvalidSubmission,
    as_whole,
    code_of,
    number_in,
    read_table,
    same_width,
)
from sandmle.core.errors import nearest
from sandmle.core.types.score import Prediction

Row = tuple[float, ...]

_ODD_BYTES: Final = b'\0\t\v\f\r\x1c\x1d\x1e\x1f"'
"""Quotes, line ends of other kinds, and all that Python or pandas takes for a blank, but for the space."""
_OUTER_SPACES: Final = (b", ", b" ,", b"\n ", b" \n")


def parse_submission(content: bytes, key: AnswerKey) -> tuple[Row, ...]:
    """Predictions in the order of the answers: values, a label's code, P(second class), one P per class or per label.

    Probabilities of several classes come in the order of the codes, whatever the order of their columns.

    Raises:
        InvalidSubmission: with the reason.
    """
    plain = _plain_rows(content, key)
    return _any_rows(content, key) if plain is None else plain


def _plain_rows(content: bytes, key: AnswerKey) -> tuple[Row, ...] | None:
    """The same at a fraction of the time, for a file as most programs write it; None for any other, good or bad.

    That is one of plain ASCII with the needed columns and no others, all ids in the order of the answers, and nothing
    in its cells that would have to be looked at twice.
    """
    needed = [key.form.id_column, *key.form.target_columns]
    if len(content) > MAX_BYTES or not content.isascii() or len(content.translate(None, _ODD_BYTES)) != len(content):
        return None
    if content[:1] == b" " or content[-1:] == b" " or any(spaces in content for spaces in _OUTER_SPACES):
        return None
    # Counted before anything is taken apart, so that a file of commas or line ends costs no memory.
    ends, commas = content.count(b"\n") - content.endswith(b"\n"), content.count(b",")
    if ends != len(key.ids) or not commas or commas != len(key.form.target_columns) * (ends + 1):
        return None
    text = content.decode("ascii").removesuffix("\n")
    lines, width = text.split("\n"), len(needed)
    if max(map(len, lines)) >= MAX_LINE_CHARACTERS or set(map(str.count, lines, repeat(","))) != {width - 1}:
        return None
    if lines[0].split(",") != needed or len(set(needed)) != width or width > MAX_COLUMNS:
        return None
    # Never a list for each row: thousands of lists set the garbage collector to work.
    cells = text.replace("\n", ",").split(",")
    ids, *columns = (tuple(cells[width + at :: width]) for at in range(width))
    return _plain_predictions(columns, key) if ids == key.ids else None


def _plain_predictions(columns: Sequence[Sequence[str]], key: AnswerKey) -> tuple[Row, ...] | None:
    form = key.form
    if form.prediction is Prediction.LABEL:
        codes = {name: float(code) for code, name in enumerate(key.classes)}
        if len(columns) != 1 or len(codes) != len(key.classes) or not codes.keys() >= set(columns[0]):
            return None
        return tuple((codes[cell],) for cell in columns[0])
    try:
        numbers = [tuple(map(float, cells)) for cells in columns]
    except ValueError:
        return None
    # Python reads 1_000 as a number.
    if any("_" in "".join(cells) for cells in columns) or not all(all(map(math.isfinite, some)) for some in numbers):
        return None
    if form.prediction is not Prediction.VALUE and not all(min(some) >= 0.0 and max(some) <= 1.0 for some in numbers):
        return None
    if len(numbers) == 1 or form.prediction is not Prediction.PROBABILITY:
        return tuple(zip(*numbers, strict=True))
    by_class = dict(zip(form.target_columns, numbers, strict=True))
    if not by_class.keys() >= set(key.classes):
        return None
    totals = [math.fsum(row) for row in zip(*numbers, strict=True)]
    if min(totals) <= 0.0:
        return None
    shares = [map(truediv, by_class[name], totals) for name in key.classes]
    return tuple(zip(*shares, strict=True))


def _any_rows(content: bytes, key: AnswerKey) -> tuple[Row, ...]:
    """Row by row, with everything that is accepted and the reason why something is not."""
    # Twice the rows are read, so that a repeated or unknown id is named before the count is.
    header, rows = read_table(content, max_rows=2 * len(key.ids))
    needed = (key.form.id_column, *key.form.target_columns)
    columns = [_column(header, name, needed) for name in needed]
    found: list[Row | None] = [None] * len(key.ids)
    unknown: list[str] = []
    for number, cells in rows:
        if len(cells) > len(header) or len(cells) <= max(columns):
            same_width(number, cells, header)
        name = cells[columns[0]].strip(BLANKS)
        position = _position(name, key)
        if position is None:
            unknown.append(name)
        elif found[position] is not None:
            raise InvalidSubmission(f"row {number}: id {name[:SHOWN]!r} appears more than once")
        else:
            found[position] = _predictions([cells[at].strip(BLANKS) for at in columns[1:]], key, number)
    _refuse_wrong_ids(found, unknown, key)
    return tuple(row for row in found if row is not None)


def _refuse_wrong_ids(found: Sequence[Row | None], unknown: Sequence[str], key: AnswerKey) -> None:
    column = key.form.id_column
    if unknown:
        raise InvalidSubmission(
            f"column {column!r}: {len(unknown)} of the ids are not in the test file, such as {unknown[0][:SHOWN]!r}"
        )
    absent = [key.ids[position] for position, row in enumerate(found) if row is None]
    if absent:
        raise InvalidSubmission(
            f"column {column!r}: {len(absent)} of {len(key.ids)} ids are missing, such as {absent[0]!r}"
        )


def _column(header: Sequence[str], name: str, needed: Sequence[str]) -> int:
    if name not in header:
        shown = [other[:SHOWN] for other in header[:20]]
        raise InvalidSubmission(f"column {name!r} is missing; {nearest(name, shown)}")
    if header.count(name) > 1:
        raise InvalidSubmission(f"column {name!r} appears {header.count(name)} times in the header")
    twin = f"{name}.1"
    if twin in header and twin not in needed:
        # So pandas names a column that stands twice: who reads with it cannot tell the two cases apart.
        raise InvalidSubmission(f"column {twin!r} reads as a second {name!r}: rename it or leave it out")
    return header.index(name)


def _position(name: str, key: AnswerKey) -> int | None:
    position = key.positions.get(name)
    if position is None and key.whole_ids:
        return key.positions.get(as_whole(name))
    return position


def _predictions(cells: Sequence[str], key: AnswerKey, number: int) -> Row:
    form = key.form
    if form.prediction is Prediction.LABEL:
        return (code_of(cells[0], key.classes, form.target_columns[0], number),)
    values = tuple(number_in(cell, name, number) for cell, name in zip(cells, form.target_columns, strict=True))
    if form.prediction is Prediction.VALUE:
        return values
    for value, name in zip(values, form.target_columns, strict=True):
        if not 0.0 <= value <= 1.0:
            raise InvalidSubmission(
                f"row {number}, column {name!r}: a probability must be between 0 and 1, not {value!r}"
            )
    if len(values) == 1 or form.prediction is Prediction.LABELS:
        return values
    total = math.fsum(values)
    if total <= 0.0:
        raise InvalidSubmission(f"row {number}: the probabilities are all 0, they must sum to 1")
    by_class = dict(zip(form.target_columns, values, strict=True))
    return tuple(by_class[name] / total for name in key.classes)
