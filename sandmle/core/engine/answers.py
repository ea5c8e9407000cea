"""`answers.csv` to the key that submissions are held against."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sandmle.core.engine.csv_table import (
    BLANKS,
    InvalidSubmission,
    code_of,
    is_whole,
    number_in,
    read_table,
    same_width,
)
from sandmle.core.errors import TaskError
from sandmle.core.types.score import Prediction
from sandmle.core.types.task import SubmissionFormat


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerKey:
    """The true targets of a task in file order, encoded as the metrics want them."""

    form: SubmissionFormat
    ids: tuple[str, ...]
    truth: tuple[float | tuple[float, ...], ...]
    """A class code (position in `form.classes`) or a value; a tuple where a task has several values or labels."""
    private: tuple[bool, ...]
    """Whether a row counts for the private board; else it counts for the public one."""
    positions: Mapping[str, int]
    """Id to row."""
    classes: tuple[str, ...]
    """Class names in the order of their codes."""
    whole_ids: bool
    """All ids are whole numbers, so that `3.0` means `3`."""


def parse_answers(content: bytes, form: SubmissionFormat) -> AnswerKey:
    """Read `answers.csv`: the id column, the target column(s), and `board` (public | private).

    For multi-class probabilities the truth is one label column (any name) or one indicator column per class; where
    several labels or values are asked for it is one column of each, labels being 0 or 1.

    Raises:
        TaskError: the file is not what it should be.
    """
    if _one_per_class(form) and sorted(form.target_columns) != sorted(form.classes):
        raise TaskError("several target columns must be named after the classes, one each")
    try:
        header, rows = read_table(content, max_rows=None)
        needed = [form.id_column, "board"]
        missing = [name for name in needed if name not in header]
        if missing:
            raise TaskError(f"answers.csv has no column {missing[0]!r}")
        columns = _truth_columns(header, form)
        id_at, board_at = header.index(form.id_column), header.index("board")
        ids: list[str] = []
        truth: list[float | tuple[float, ...]] = []
        private: list[bool] = []
        for number, cells in rows:
            same_width(number, cells, header)
            ids.append(cells[id_at].strip(BLANKS))
            truth.append(_truth([cells[at].strip(BLANKS) for at in columns], form, number))
            private.append(_is_private(cells[board_at].strip(BLANKS), number))
    except InvalidSubmission as problem:
        raise TaskError(f"answers.csv: {problem}") from problem
    positions = {name: row for row, name in enumerate(ids)}
    if len(positions) != len(ids) or not ids:
        raise TaskError("answers.csv: ids must be unique, and there must be some")
    if all(private) or not any(private):
        raise TaskError("answers.csv: both boards, public and private, need rows")
    return AnswerKey(
        form=form,
        ids=tuple(ids),
        truth=tuple(truth),
        private=tuple(private),
        positions=positions,
        classes=ordered_classes(form),
        whole_ids=all(is_whole(name) for name in ids),
    )


def ordered_classes(form: SubmissionFormat) -> tuple[str, ...]:
    """Classes in the order of their codes: labels that are all whole numbers by size, else as listed.

    The format lists them as sorted text, where "10" comes before "2"; ordinal metrics need their size.
    """
    if form.prediction is Prediction.LABEL and all(is_whole(name) for name in form.classes):
        return tuple(sorted(form.classes, key=int))
    return form.classes


def _truth_columns(header: Sequence[str], form: SubmissionFormat) -> list[int]:
    if all(name in header for name in form.target_columns):
        return [header.index(name) for name in form.target_columns]
    others = [at for at, name in enumerate(header) if name not in (form.id_column, "board")]
    if _one_per_class(form) and len(others) == 1:
        return others
    raise TaskError(f"answers.csv has no column {form.target_columns[0]!r}")


def _one_per_class(form: SubmissionFormat) -> bool:
    return len(form.target_columns) > 1 and form.prediction in (Prediction.PROBABILITY, Prediction.LABEL)


def _truth(cells: Sequence[str], form: SubmissionFormat, number: int) -> float | tuple[float, ...]:
    if form.prediction in (Prediction.VALUE, Prediction.LABELS):
        values = tuple(number_in(cell, name, number) for cell, name in zip(cells, form.target_columns, strict=True))
        if form.prediction is Prediction.LABELS and not {*values} <= {0.0, 1.0}:
            raise InvalidSubmission(f"row {number}: a true label is 0 or 1, not {cells}")
        return values if len(values) > 1 or form.prediction is Prediction.LABELS else values[0]
    if len(cells) == 1:
        return code_of(cells[0], ordered_classes(form), "the target", number)
    indicators = [number_in(cell, name, number) for cell, name in zip(cells, form.target_columns, strict=True)]
    return form.classes.index(form.target_columns[indicators.index(max(indicators))])


def _is_private(cell: str, number: int) -> bool:
    if cell not in ("public", "private"):
        raise TaskError(f"answers.csv row {number}: board must be public or private, not {cell!r}")
    return cell == "private"
