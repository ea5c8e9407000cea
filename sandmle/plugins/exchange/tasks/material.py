"""A task read for export, what stands against exporting it, and files that several formats want."""

import csv
import io
import math
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from sandmle.core.engine.answers import AnswerKey, parse_answers
from sandmle.core.engine.board_cells import MISSING, BoardColumn
from sandmle.core.engine.board_files import read_board, second_column
from sandmle.core.engine.boards import medal_rule
from sandmle.core.engine.tasks import Task
from sandmle.core.errors import BoardError, TaskError
from sandmle.core.types.score import Prediction
from sandmle.core.types.task import TaskSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """A task with its answers and its board read."""

    task: Task
    key: AnswerKey
    board: BoardColumn

    @property
    def spec(self) -> TaskSpec:
        return self.task.spec


def read_material(task: Task) -> Material:
    """Read what grading needs of a task.

    Raises:
        TaskError: the answers or the board cannot be used, the board holds no score somewhere, or the directory
            holds something else than regular files, such as a link that leads out of it.
    """
    for path in sorted(task.layout.root.rglob("*")):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise TaskError(f"{path} is not a regular file: an export would copy what it leads to")
    try:
        key = parse_answers(task.layout.answers.read_bytes(), task.spec.submission)
        board = second_column(read_board(task.layout.leaderboard))
    except BoardError as problem:
        raise TaskError(str(problem)) from problem
    except OSError as problem:
        raise TaskError(f"cannot read {problem.filename}: {problem.strerror}") from problem
    if not board.values or any(math.isnan(score) for score in board.values):
        raise TaskError(f"{task.layout.leaderboard} has a row without a score")
    return Material(task=task, key=key, board=board)


def refuse_other_medals(material: Material) -> None:
    """See that MLE-bench's rule, applied to the board, gives the thresholds and the direction of the task.

    Raises:
        TaskError: it does not, so MLE-bench would award other medals.
    """
    stated = material.spec.thresholds
    if math.isnan(stated.gold):
        raise TaskError("the task awards no medals, since too few rows grade it, and MLE-bench would award some")
    rule = medal_rule(material.board)
    found = rule.thresholds
    if any(getattr(found, name) != getattr(stated, name) for name in ("gold", "silver", "bronze", "median")):
        raise TaskError(f"its board gives the thresholds {found}, and task.toml states {stated}")
    if rule.direction is not material.spec.metric.direction:
        raise TaskError("the order of its board tells MLE-bench the wrong direction of the metric")


def refuse_what_pandas_alters(material: Material) -> None:
    """See that ids and labels are still told apart after pandas has read them, as the peers' code has it do.

    Raises:
        TaskError: an id or a class would be another, or a missing cell.
    """
    spec, key = material.spec, material.key
    if spec.submission.prediction is Prediction.LABEL:
        for name in spec.submission.classes:
            if _as_pandas_reads(name) != name:
                raise TaskError(f"pandas reads the class {name!r} as something else: rename it")
    for name in key.ids:
        if name in MISSING:
            raise TaskError(f"pandas reads the id {name!r} as a missing cell")
    numbers = [_as_pandas_reads(name) for name in key.ids]
    if len(set(numbers)) != len(numbers):
        raise TaskError("pandas reads two of the ids as the same number")


def _as_pandas_reads(cell: str) -> str:
    if cell in MISSING:
        return ""
    if cell.lower() in ("true", "false"):
        return cell.capitalize()
    try:
        return str(int(cell))
    except ValueError:
        pass
    try:
        return str(float(cell))
    except ValueError:
        return cell


def perfect_submission(material: Material) -> bytes:
    """The submission that hands in the truth: values and labels as they are, probabilities of 0 and 1."""
    form, key = material.spec.submission, material.key
    rows = [[name, *_perfect(truth, material)] for name, truth in zip(key.ids, key.truth, strict=True)]
    return csv_bytes([[form.id_column, *form.target_columns], *rows])


def _perfect(truth: float | tuple[float, ...], material: Material) -> list[object]:
    form, classes = material.spec.submission, material.key.classes
    if isinstance(truth, tuple):
        return [repr(value) for value in truth]
    if form.prediction is Prediction.VALUE:
        return [repr(truth)]
    if form.prediction is Prediction.LABEL:
        return [classes[int(truth)]]
    if len(form.target_columns) == 1:
        return [truth]
    return [float(column == classes[int(truth)]) for column in form.target_columns]


def csv_bytes(rows: Iterable[Iterable[object]]) -> bytes:
    """Rows as comma-separated text."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def template(name: str) -> str:
    """A file of the folder `templates`."""
    return files(__package__).joinpath("templates", name).read_text("utf-8")


def copy_public(task: Task, folder: Path) -> None:
    """Copy what the agent may see; `read_material` has seen that there are no links in it."""
    shutil.copytree(task.layout.public, folder, symlinks=True, dirs_exist_ok=True)


def write(path: Path, content: bytes | str) -> None:
    """Write one file, and the folders above it where they are missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
