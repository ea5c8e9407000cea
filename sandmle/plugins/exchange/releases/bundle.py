"""The bundle on disk: `<id>/prepared/public/` with everything in it, answers and evaluator included."""

import csv
import json
import os
import re
from collections import Counter
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
MAX_BYTES: Final = 4 * 2**30
MAX_FILES: Final = 100_000
"""Of one task: more, and it is left out rather than copied."""


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
    if bundle.is_file():
        raise UsageError(f"{bundle} is a file: unpack it, and name the folder")
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
    if not os.path.lexists(path):
        return None
    if not path.is_file():
        # Reading a pipe would wait for whoever writes to it.
        raise UsageError(f"{path} is not a regular file")
    try:
        names = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as problem:
        raise UsageError(f"cannot read {path}: {problem}") from problem
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise UsageError(f"{path} is no JSON list of names")
    return tuple(names)


def look(task: BundleTask) -> list[Defect]:
    """What is wrong with the files, without running anything."""
    defects = [
        Defect(check="files", message=f"{folder.name} is a link, and what it leads to is not the bundle's", fatal=True)
        for folder in (task.public, task.public.parent, task.public.parent.parent)
        if folder.is_symlink()
    ]
    if defects:
        return defects
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
    sizes = [entry.lstat().st_size for entry in _entries(task.public)]
    if len(sizes) > MAX_FILES or sum(sizes) > MAX_BYTES:
        message = f"{len(sizes)} files of {sum(sizes) // 2**20} MiB: too much for one task"
        defects.append(Defect(check="files", message=message, fatal=True))
    if not defects:
        defects += [*_copies(task), *_told(task), *_tables(task)]
    return defects


def hidden(task: BundleTask) -> frozenset[Path]:
    """Files of the bundle's public folder that no agent may see: answers, evaluator, and copies of either."""
    secrets = {(task.public / name).read_bytes() for name in SECRET}
    sizes = {len(secret) for secret in secrets}
    return frozenset(
        entry
        for entry in _entries(task.public)
        if entry.name.lower() in SECRET or (entry.stat().st_size in sizes and entry.read_bytes() in secrets)
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
    content = (task.public / "description.md").read_bytes()
    text = content.decode("utf-8", errors="replace")
    if text.encode() != content:
        yield Defect(check="encoding", message="the description is not UTF-8 text")
    for name in SECRET:
        if name in text:
            yield Defect(check="description", message=f"the description tells of {name}")


def _tables(task: BundleTask) -> Iterator[Defect]:
    train, train_ids = _table(task.public / "train.csv")
    test, test_ids = _table(task.public / "test.csv")
    answers, answer_ids = _table(task.public / ANSWERS)
    sample, sample_ids = _table(task.public / "sample_submission.csv")
    if len(train_ids) not in TRAIN_ROWS:
        yield Defect(check="size", message=f"{len(train_ids)} training rows; the paper says 50 to 200")
    if len(sample_ids) != len(test_ids):
        message = f"the sample submission has {len(sample_ids)} rows, the test file {len(test_ids)}"
        yield Defect(check="rows", message=message)
    repeated = [name for name, count in Counter(answer_ids).items() if count > 1]
    if repeated and answers[:1] == sample[:1]:
        yield Defect(check="ids", message=f"{ANSWERS} has {len(repeated)} ids more than once, such as {repeated[0]!r}")
    elif answers[:1] == sample[:1] and set(answer_ids) != set(sample_ids):
        yield Defect(check="ids", message=f"{ANSWERS} and the sample submission have different ids")
    leaked = [name for name in answers[1:] if name in test and name in sample[1:]]
    if leaked:
        yield Defect(check="leak", message=f"test.csv has the target column {leaked[0]!r}")
    if not train:
        yield Defect(check="files", message="train.csv is empty or no CSV")


def _table(path: Path) -> tuple[Sequence[str], list[str]]:
    """Header, and the first cell of every row; nothing of a file that is no CSV."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        try:
            rows = csv.reader(file)
            header = next(rows, [])
            return header, [row[0] for row in rows if row]
        except csv.Error:
            return [], []
