"""Whether the files of a generator script keep the contract that the strategy set."""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from sandmle.core.engine.csv_table import is_whole
from sandmle.core.types.metrics import TWO_CLASS_METRICS
from sandmle.core.types.synthesis import Strategy
from sandmle.plugins.synthesizer.tables import MAX_TABLE_BYTES, FaultError, Table, parse_table

TRAIN, TEST, SAMPLE = "public/train.csv", "public/test.csv", "public/sample_submission.csv"
ANSWERS, ORACLE = "private/answers.csv", "private/oracle.csv"
TABLES: Final = (TRAIN, TEST, SAMPLE, ANSWERS, ORACLE)
BOARD_COLUMN: Final = "board"
FILE_KINDS: Final = ("image", "audio", "series", "file")
"""Kinds of columns whose cells name a file of the row's own; `file` is of any form, for modalities of plugins."""

MAX_TREE_BYTES: Final = 64 * 2**20
"""Of everything a script writes: tasks are micro-scale, and a corpus holds many."""
MAX_TREE_FILES: Final = 6000
MANY_ROWS: Final = 200_000
"""Training rows from which on a table may have `MAX_LARGE_BYTES`."""
MAX_LARGE_BYTES: Final = 160 * 2**20
"""Of everything a script writes for a task made larger on purpose, and of its train.csv."""
MAX_NUMBER: Final = 1e100
"""Of which sums and squares over any number of rows are still finite."""
MAX_LABEL: Final = 200
"""Characters of a class' name, which stands in `task.toml`."""
MAX_PATH: Final = 200
"""Characters of a file's path, which stands there too."""
_PLAIN_PATH: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")
_PLAIN_ID: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftTables:
    """The five tables of a draft, parsed."""

    train: Table
    test: Table
    sample: Table
    answers: Table
    oracle: Table


def most_bytes(train_rows: int) -> int:
    """What a script may write in all for a task of so many training rows."""
    return MAX_LARGE_BYTES if train_rows > MANY_ROWS else MAX_TREE_BYTES


def read_tables(files: Mapping[str, bytes], train_rows: int) -> DraftTables:
    """Parse the five tables, of which the training one shall have `train_rows`.

    Raises:
        FaultError: one is missing or is no table.
    """
    return DraftTables(
        train=parse_table(files, TRAIN, MAX_LARGE_BYTES if train_rows > MANY_ROWS else MAX_TABLE_BYTES),
        test=parse_table(files, TEST),
        sample=parse_table(files, SAMPLE),
        answers=parse_table(files, ANSWERS),
        oracle=parse_table(files, ORACLE),
    )


def column_of(strategy: Strategy, kind: str) -> str:
    """The name of the strategy's first column of a kind (`id` or `target`)."""
    return next(column.name for column in strategy.columns if column.kind == kind)


def targets_of(strategy: Strategy) -> list[str]:
    """The names of its target columns: one, or several where several labels or values are asked for."""
    return [column.name for column in strategy.columns if column.kind == "target"]


def check_files(files: Mapping[str, bytes], strategy: Strategy) -> DraftTables:
    """Hold everything a script wrote against the strategy.

    Raises:
        FaultError: the first thing that does not hold.
    """
    tables = read_tables(files, strategy.train_rows)
    _check_columns(tables, strategy)
    _check_rows(tables, strategy)
    _check_answers(tables, strategy)
    _check_targets(tables, strategy)
    for table, name in ((tables.sample, SAMPLE), (tables.oracle, ORACLE)):
        _check_submission(table, name, tables, strategy)
    _check_media(files, tables, strategy)
    return tables


def _check_columns(tables: DraftTables, strategy: Strategy) -> None:
    targets = targets_of(strategy)
    planned = [column.name for column in strategy.columns]
    _same_names(tables.train.header, planned, TRAIN)
    _same_names(tables.test.header, [name for name in planned if name not in targets], TEST)
    identifier = column_of(strategy, "id")
    _same_names(tables.answers.header, [identifier, *targets, BOARD_COLUMN], ANSWERS)
    for column in strategy.columns:
        if column.kind == "number":
            for table, name in ((tables.train, TRAIN), (tables.test, TEST)):
                _check_numbers(table.column(column.name), f"{name}, column {column.name!r}", blank=True)


def _same_names(header: Sequence[str], planned: Sequence[str], name: str) -> None:
    missing = [column for column in planned if column not in header]
    surplus = [column for column in header if column not in planned]
    if missing or surplus:
        raise FaultError(
            f"{name}: columns missing: {missing or 'none'}; columns not in the strategy: {surplus or 'none'}"
        )


def _check_numbers(cells: Sequence[str], where: str, *, blank: bool) -> None:
    for number, cell in enumerate(cells, 1):
        if blank and not cell.strip():
            continue
        try:
            value = float("_" if "_" in cell else cell)
        except ValueError:
            raise FaultError(f"{where}, data row {number}: {cell[:40]!r} is not a number") from None
        if not math.isfinite(value):
            raise FaultError(f"{where}, data row {number}: {cell[:40]!r} is not finite (leave a missing value blank)")
        if abs(value) > MAX_NUMBER:
            raise FaultError(f"{where}, data row {number}: {cell[:40]!r} is larger than {MAX_NUMBER:g}")


def _check_rows(tables: DraftTables, strategy: Strategy) -> None:
    identifier = column_of(strategy, "id")
    test_rows = strategy.public_board_rows + strategy.private_board_rows
    for table, name, wanted in ((tables.train, TRAIN, strategy.train_rows), (tables.test, TEST, test_rows)):
        if len(table.rows) != wanted:
            raise FaultError(f"{name} has {len(table.rows)} data rows, the strategy says {wanted}")
    train, test = tables.train.column(identifier), tables.test.column(identifier)
    for ids, name in ((train, TRAIN), (test, TEST)):
        repeated = [one for one, count in Counter(ids).items() if count > 1]
        if repeated:
            raise FaultError(f"{name}: id {repeated[0]!r} appears more than once")
        odd = [one for one in ids if not _PLAIN_ID.fullmatch(one)]
        if odd:
            raise FaultError(f"{name}: id {odd[0][:80]!r} is not made of up to 64 letters, digits, dots, '-' and '_'")
    shared = set(train) & set(test)
    if shared:
        raise FaultError(f"{len(shared)} ids are in both train.csv and test.csv, such as {min(shared)!r}")


def _check_answers(tables: DraftTables, strategy: Strategy) -> None:
    identifier = column_of(strategy, "id")
    if tables.answers.column(identifier) != tables.test.column(identifier):
        raise FaultError(f"{ANSWERS} must hold the ids of test.csv in the same order")
    marks = Counter(tables.answers.column(BOARD_COLUMN))
    wanted = {"public": strategy.public_board_rows, "private": strategy.private_board_rows}
    if marks != wanted:
        raise FaultError(f"{ANSWERS}, column 'board': the marks are {dict(marks)}, the strategy says {wanted}")


def _check_targets(tables: DraftTables, strategy: Strategy) -> None:
    if strategy.task_type != "classification":
        for target in targets_of(strategy):
            _check_number_target(target, tables, strategy)
        return
    target = column_of(strategy, "target")
    known, hidden = tables.train.column(target), tables.answers.column(target)
    labels = set(known)
    if not 2 <= len(labels) <= 50 or any(not label.strip() or label != label.strip() for label in labels):
        raise FaultError(
            f"{TRAIN}, column {target!r}: 2 to 50 labels without blanks around are needed, not {len(labels)}"
        )
    if max(map(len, labels)) > MAX_LABEL:
        raise FaultError(f"{TRAIN}, column {target!r}: a label has more than {MAX_LABEL} characters")
    if strategy.metric in TWO_CLASS_METRICS and len(labels) != 2:
        raise FaultError(f"{TRAIN}, column {target!r}: metric {strategy.metric!r} needs 2 labels, not {len(labels)}")
    if strategy.metric == "qwk" and not all(map(is_whole, labels)):
        raise FaultError(
            f"{TRAIN}, column {target!r}: metric 'qwk' needs labels that are whole numbers, for their order"
        )
    unseen = set(hidden) - labels
    if unseen:
        raise FaultError(f"{ANSWERS}, column {target!r}: label {min(unseen)!r} never occurs in train.csv")
    for mark in ("public", "private"):
        on_board = {
            label for label, own in zip(hidden, tables.answers.column(BOARD_COLUMN), strict=True) if own == mark
        }
        if len(on_board) < 2:
            raise FaultError(f"{ANSWERS}: the {mark} board's rows all have one label")


def _check_number_target(target: str, tables: DraftTables, strategy: Strategy) -> None:
    known, hidden = tables.train.column(target), tables.answers.column(target)
    _check_numbers(known, f"{TRAIN}, column {target!r}", blank=False)
    _check_numbers(hidden, f"{ANSWERS}, column {target!r}", blank=False)
    if strategy.task_type == "multilabel":
        for cells, name in ((known, TRAIN), (hidden, ANSWERS)):
            if {float(cell) for cell in cells} != {0.0, 1.0}:
                raise FaultError(f"{name}, column {target!r}: a label is 0 or 1, and both occur")
        return
    if len(set(known)) < 3:
        raise FaultError(
            f"{TRAIN}, column {target!r}: a {strategy.task_type} target with {len(set(known))} distinct values"
        )
    least = min(map(float, (*known, *hidden)))
    if strategy.metric in ("rmsle", "ndcg") and least < 0:
        raise FaultError(f"column {target!r}: metric {strategy.metric!r} needs targets that are never negative")
    if strategy.metric == "mape" and least <= 0:
        raise FaultError(f"column {target!r}: metric 'mape' needs targets that are positive")


def _check_submission(table: Table, name: str, tables: DraftTables, strategy: Strategy) -> None:
    """Ids and header; whether the cells can be graded is for the evaluation to show."""
    identifier = column_of(strategy, "id")
    if table.header[0] != identifier:
        raise FaultError(f"{name}: the first column must be {identifier!r}")
    if table.header != tables.sample.header:
        raise FaultError(f"{name} must have the columns of {SAMPLE}: {list(tables.sample.header)}")
    if table.column(identifier) != tables.test.column(identifier):
        raise FaultError(f"{name} must hold the ids of test.csv in the same order")


def _check_media(files: Mapping[str, bytes], tables: DraftTables, strategy: Strategy) -> None:
    columns = [column.name for column in strategy.columns if column.kind in FILE_KINDS]
    named = [
        f"public/{cell}" for name in columns for table in (tables.train, tables.test) for cell in table.column(name)
    ]
    for path in named:
        if len(path) > MAX_PATH or not _PLAIN_PATH.fullmatch(path) or ".." in PurePosixPath(path).parts:
            raise FaultError(
                f"file path {path[7:87]!r} is not plain: letters, digits, '_', '-', '.', and '/' only, "
                f"{MAX_PATH} characters at most"
            )
        if not files.get(path):
            raise FaultError(f"{path} is named in a table and was not written, or is empty")
    if len(set(named)) != len(named):
        raise FaultError("two rows name the same file")
    shared = [f"public/{name}" for name in strategy.shared_files]
    for path in shared:
        parse_table(files, path)
    stray = sorted(set(files) - set(named) - set(TABLES) - set(shared))
    if stray:
        raise FaultError(
            f"{len(stray)} files belong to no row, such as {stray[0]!r}; write only what the contract names"
        )
