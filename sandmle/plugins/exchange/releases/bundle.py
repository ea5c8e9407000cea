"""The bundle on disk: `<id>/prepared/public/` with everything in it, answers and evaluator included."""

import csv
import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sandmle.core.errors import UsageError

ANSWERS: Final = "answer.csv"
EVALUATOR: Final = "evaluator.py"
SECRET: Final = (ANSWERS, EVALUATOR)
"""What the bundle puts where the agent looks."""
REQUIRED: Final = ("description.md", "train.csv", "test.csv", "sample_submission.csv", *SECRET)
LIST: Final = "ok_competitions_sanity.json"
"""The bundle's own list of tasks that passed its sanity filter."""
TRAIN_ROWS: Final = range(50, 201)
"""What the paper says every task has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Defect:
    """Something wrong with a task. A fatal one keeps it from being imported."""

    check: str
    message: str
    fatal: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleTask:
    """A task as it lies in the bundle."""

    name: str
    task_id: str
    """The name as a task id: lower case, digits and hyphens."""
    public: Path


def find_tasks(bundle: Path) -> list[BundleTask]:
    """The tasks of a bundle, or the one whose folder is given, by name.

    Raises:
        UsageError: there is none, or two names become one task id.
    """
    if not bundle.is_dir():
        raise UsageError(f"no such folder: {bundle}")
    folders = [bundle] if (bundle / "prepared" / "public").is_dir() else sorted(bundle.iterdir())
    found: dict[str, BundleTask] = {}
    for folder in folders:
        public = folder / "prepared" / "public"
        if not public.is_dir():
            continue
        name = folder.resolve().name
        task_id = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "task"
        if task_id in found:
            raise UsageError(f"{name!r} and {found[task_id].name!r} both become {task_id!r}; rename one")
        found[task_id] = BundleTask(name=name, task_id=task_id, public=public)
    if not found:
        raise UsageError(f"{bundle} is no SandMLE bundle: no folder in it has prepared/public")
    return list(found.values())


def listed(bundle: Path) -> tuple[str, ...] | None:
    """The names on the bundle's own list; None when it has none.

    Raises:
        UsageError: the list is no JSON list of names.
    """
    path = bundle / LIST
    if not path.exists():
        return None
    try:
        names = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as problem:
        raise UsageError(f"cannot read {path}: {problem}") from problem
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise UsageError(f"{path} is no JSON list of names")
    return tuple(names)


def look(task: BundleTask) -> list[Defect]:
    """What is wrong with the files, without running anything."""
    defects = [
        Defect(check="files", message=f"{name} is missing or no regular file", fatal=True)
        for name in REQUIRED
        if not _is_regular(task.public / name)
    ]
    defects += [
        Defect(check="files", message=f"{entry.relative_to(task.public)} is a link or a device", fatal=True)
        for entry in _entries(task.public)
        if not _is_regular(entry)
    ]
    if not defects:
        defects += [*_copies(task), *_told(task), *_tables(task)]
    return defects


def hidden(task: BundleTask) -> frozenset[Path]:
    """Files of the bundle's public folder that no agent may see: answers, evaluator, and copies of either."""
    secrets = {(task.public / name).read_bytes() for name in SECRET}
    return frozenset(
        entry
        for entry in _entries(task.public)
        if entry.name.lower() in SECRET or (entry.is_file() and entry.read_bytes() in secrets)
    )


def _entries(folder: Path) -> Iterator[Path]:
    for root, folders, files in os.walk(folder, followlinks=False):
        yield from (Path(root, name) for name in sorted(files))
        yield from (Path(root, name) for name in sorted(folders) if Path(root, name).is_symlink())


def _is_regular(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _copies(task: BundleTask) -> Iterator[Defect]:
    for entry in sorted(hidden(task)):
        name = entry.relative_to(task.public).as_posix()
        if name not in SECRET:
            yield Defect(check="copy", message=f"{name} holds what {ANSWERS} or {EVALUATOR} holds; hidden, too")


def _told(task: BundleTask) -> Iterator[Defect]:
    text = (task.public / "description.md").read_text("utf-8", errors="replace")
    for name in SECRET:
        if name in text:
            yield Defect(check="description", message=f"the description tells of {name}")


def _tables(task: BundleTask) -> Iterator[Defect]:
    train, train_rows = _table(task.public / "train.csv")
    test, test_rows = _table(task.public / "test.csv")
    answers, _ = _table(task.public / ANSWERS)
    sample, sample_rows = _table(task.public / "sample_submission.csv")
    if train_rows not in TRAIN_ROWS:
        yield Defect(check="size", message=f"{train_rows} training rows; the paper says 50 to 200")
    if sample_rows != test_rows:
        yield Defect(check="rows", message=f"the sample submission has {sample_rows} rows, the test file {test_rows}")
    leaked = [name for name in answers[1:] if name in test and name in sample[1:]]
    if leaked:
        yield Defect(check="leak", message=f"test.csv has the target column {leaked[0]!r}")
    if not train:
        yield Defect(check="files", message="train.csv is empty")


def _table(path: Path) -> tuple[Sequence[str], int]:
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        try:
            rows = csv.reader(file)
            header = next(rows, [])
            return header, sum(1 for row in rows if row)
        except csv.Error:
            return [], 0
