"""Task directories: read, list, write atomically, verify. The layout is `types/task.py`'s."""

import hashlib
import os
import shutil
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

import tomli_w
from pydantic import ValidationError

from sandmle.core.engine.file_trees import TreeEntry, hash_tree, read_regular
from sandmle.core.engine.plain import plain
from sandmle.core.errors import StoreError, TaskError, cannot_write
from sandmle.core.types.synthesis import TaskDraft, TaskProblem
from sandmle.core.types.task import TaskLayout, TaskSpec

FILE_TIME_S: Final = 1_577_836_800
"""Modification time of every file of a task (2020-01-01 UTC): file times must tell nothing and never differ."""
MAX_SPEC_BYTES: Final = 8 * 2**20
MAX_DESCRIPTION_BYTES: Final = 4 * 2**20
UNREAD: Final = "unread-file"
"""The check of files that are not read at all: links, pipes, devices, and what is too large."""
_REQUIRED: Final = (
    "description.md",
    "public/train.csv",
    "public/test.csv",
    "public/sample_submission.csv",
    "private/answers.csv",
    "private/leaderboard.csv",
)
_SORTED_TABLES: Final = ("prompt_sha256", "versions", "content_sha256")
_MOST_WORK: Final = 2 * 10**7
"""Of reading keys: the TOML reader takes steps with the square of the number of dots in one, and a key is one line."""
_PLACE_CHARACTERS: Final = 120
_PARTS: Final = ("public/", "private/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task directory that has been read: its files are there and `task.toml` is valid."""

    spec: TaskSpec
    layout: TaskLayout
    description: str


def read_spec(path: Path) -> TaskSpec:
    """Read the `task.toml` of a task directory.

    Raises:
        TaskError: it is missing, not TOML, or not of this schema.
    """
    file = TaskLayout(path).spec
    try:
        text = read_regular(file, MAX_SPEC_BYTES).decode("utf-8")
        if sum(line.count(".") ** 2 for line in text.split("\n")) > _MOST_WORK:
            raise ValueError("it has keys of too many parts")
        return TaskSpec.model_validate(tomllib.loads(text))
    except FileNotFoundError as problem:
        raise TaskError(f"{path} is not a task directory: it has no task.toml") from problem
    except ValidationError as problem:
        first = problem.errors()[0]
        place = plain(".".join(str(part) for part in first["loc"]))[:_PLACE_CHARACTERS]
        raise TaskError(f"{file}: {place}: {first['msg']}") from problem
    except (ValueError, RecursionError) as problem:
        raise TaskError(f"{file} is not TOML: {problem}") from problem


def read_task(path: Path) -> Task:
    """Read a task directory. Hashes are not checked here: that is `verify_task`.

    Raises:
        TaskError: what is missing or wrong, and where.
    """
    if not path.is_dir():
        raise TaskError(f"{path} is not a directory")
    spec = read_spec(path)
    # What else a competition consists of lies elsewhere, under the names of the benchmark that it is of.
    competition = spec.provenance.origin == "competition"
    missing = [name for name in (_REQUIRED[:1] if competition else _REQUIRED) if not (path / name).is_file()]
    if competition and not (path / "public").is_dir():
        missing.append("public/")
    if missing:
        raise TaskError(f"task {path} is incomplete: it has no {', '.join(missing)}")
    layout = TaskLayout(path)
    try:
        # What an agent is told may be sent anywhere: no link may lead to a file of the user's.
        description = read_regular(layout.description, MAX_DESCRIPTION_BYTES).decode("utf-8").replace("\r\n", "\n")
    except (OSError, UnicodeDecodeError) as problem:
        raise TaskError(f"cannot read {layout.description}: {problem}") from problem
    return Task(spec=spec, layout=layout, description=description)


def task_dirs(path: Path) -> tuple[Path, ...]:
    """The task directories that a path stands for, sorted by name.

    A task directory stands for itself, a folder for the task directories directly in it, and a manifest (a text
    file) for those it lists: one path a line, relative to the manifest; blank lines and lines after `#` say nothing.

    Raises:
        TaskError: there is none, the manifest lists something else, or a part of a task is a link.
    """
    found = _found(path)
    for entry in found:
        for part in (TaskLayout(entry).public, TaskLayout(entry).private):
            # A sandbox shows what such a link leads to, and a downloaded task could have it lead anywhere.
            if part.is_symlink():
                raise TaskError(f"{part} is a link: a task holds its own files; copy them there if you trust them")
    return found


def _found(path: Path) -> tuple[Path, ...]:
    if path.is_file():
        return _listed(path)
    if not path.is_dir():
        raise TaskError(f"no such folder of tasks: {path}; make one with `sandmle synth -n 8 -o {path}`")
    if TaskLayout(path).spec.is_file():
        return (path,)
    # Drafts under way lie in hidden folders beside finished tasks.
    folders = sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
    found = tuple(entry for entry in folders if TaskLayout(entry).spec.is_file())
    if not found:
        raise TaskError(f"{path} holds no task directory (a folder with a task.toml)")
    return found


def _listed(manifest: Path) -> tuple[Path, ...]:
    try:
        lines = [line.strip() for line in manifest.read_text("utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as problem:
        raise TaskError(f"cannot read the manifest {manifest}: {problem}") from problem
    found = [manifest.parent / line for line in lines if line and not line.startswith("#")]
    seen: set[Path] = set()
    for entry in found:
        if not TaskLayout(entry).spec.is_file():
            raise TaskError(f"{manifest} lists {entry}, which is no task directory (a folder with a task.toml)")
        if entry in seen:
            raise TaskError(f"{manifest} lists {entry} twice")
        seen.add(entry)
    if not found:
        raise TaskError(f"the manifest {manifest} lists no task directory")
    return tuple(sorted(found, key=lambda entry: entry.name))


def list_tasks(path: Path) -> tuple[Task, ...]:
    """The tasks in a directory or manifest, by name; a task directory itself gives that one task.

    Raises:
        TaskError: there is none, or one of them cannot be used.
    """
    return tuple(read_task(entry) for entry in task_dirs(path))


def refuse_real(tasks: Iterable[Task]) -> None:
    """Refuse to learn from tasks made of real rows, and from competitions: they are there to measure with.

    Raises:
        TaskError: one of them is marked by its `origin`.
    """
    for task in tasks:
        if task.spec.provenance.origin != "synthetic":
            raise TaskError(
                f"{task.layout.root} holds rows of {task.spec.provenance.seed_id}, real data that is kept for "
                "measuring: train on synthetic tasks (`sandmle synth`)"
            )


def write_task(folder: Path, draft: TaskDraft) -> Task:
    """Write a draft as `folder/<task_id>`, whole or not at all, and record the hash of every file.

    The same draft gives the same bytes, file times and modes.

    Raises:
        TaskError: the directory exists already, or a file name is unsafe.
        UsageError: the folder cannot be used.
        StoreError: writing failed.
    """
    files = _files(draft)
    provenance = draft.spec.provenance.model_copy(
        update={"content_sha256": {name: _sha256(files[name]) for name in sorted(files)}}
    )
    spec = draft.spec.model_copy(update={"provenance": provenance})
    files["task.toml"] = spec_toml(spec).encode()
    target = folder / spec.task_id
    if target.exists():
        raise TaskError(f"{target} exists already: choose another folder or remove it")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{spec.task_id}-", dir=folder))
    except OSError as problem:
        raise cannot_write(target, problem) from problem
    try:
        _fill(temporary, files)
        temporary.rename(target)
    except OSError as problem:
        raise StoreError(f"cannot write {target}: {problem.strerror or problem}") from problem
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return read_task(target)


def spec_toml(spec: TaskSpec) -> str:
    """The text of `task.toml`: the same for equal specs, whatever order their tables were filled in."""
    document = spec.model_dump(mode="json", exclude_none=True)
    if not spec.ladder:
        # As it was written before there were ladders.
        del document["ladder"]
    document["dna"] = dict(sorted(document["dna"].items()))
    for name in _SORTED_TABLES:
        document["provenance"][name] = dict(sorted(document["provenance"][name].items()))
    return tomli_w.dumps(document)


def _files(draft: TaskDraft) -> dict[str, bytes]:
    files = {"description.md": draft.description.encode()}
    for part, contents in (("public", draft.public), ("private", draft.private)):
        for name, content in contents.items():
            pure = PurePosixPath(name)
            if pure.is_absolute() or ".." in pure.parts or not pure.parts or "\\" in name:
                raise TaskError(f"unsafe file name in the draft: {part}/{name}")
            files[f"{part}/{pure}"] = content
    return files


def _fill(root: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    for path in [*sorted(root.rglob("*"), reverse=True), root]:
        path.chmod(0o755 if path.is_dir() else 0o644)
        os.utime(path, (FILE_TIME_S, FILE_TIME_S))


def verify_task(path: Path) -> tuple[TaskProblem, ...]:
    """Compare a task directory with what its `task.toml` says of it: schema, name, files, hashes.

    The directory is untrusted: no link in it is followed, and what is no regular file, or too large, is not read.

    Returns:
        One problem per difference; empty when it is as it was written.
    """
    try:
        spec = read_spec(path)
        entries = tuple(hash_tree(path))
        if not any(entry.fault for entry in entries):
            read_task(path)
    except TaskError as problem:
        return (TaskProblem(check="task-directory", message=str(problem)),)
    return tuple(_differences(spec, path, entries))


def _differences(spec: TaskSpec, path: Path, entries: Iterable[TreeEntry]) -> Iterator[TaskProblem]:
    if path.resolve().name != spec.task_id:
        yield TaskProblem(check="task-id", message=f"{path} holds the task {spec.task_id!r}: rename the folder")
    recorded = spec.provenance.content_sha256
    present = {entry.name: entry for entry in entries}
    for name in sorted(recorded.keys() - present.keys()):
        yield TaskProblem(check="content-hash", message=f"{path / name} is missing")
    for name, entry in present.items():
        if entry.fault:
            yield TaskProblem(check=UNREAD, message=f"{path / name} {entry.fault}")
        elif name == "task.toml" or name in _PARTS:
            continue
        elif name not in recorded:
            yield TaskProblem(check="content-hash", message=f"{path / name} is not part of the task")
        elif entry.sha256 != recorded[name]:
            yield TaskProblem(check="content-hash", message=f"{path / name} has changed since it was written")


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
