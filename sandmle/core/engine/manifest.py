"""The manifest of a corpus: one hash that stands for every byte of every task, and the proof that it holds.

`manifest.json` holds the hash of every task's `task.toml`, which holds the hashes of all its other files. So whoever
knows the manifest's own hash knows the corpus, wherever it was downloaded from. It does not depend on the number of
workers, on load or on kills. Nothing of a corpus is run or followed while it is verified.
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sandmle.core.engine.file_trees import read_regular
from sandmle.core.engine.ledger import LEDGER_NAME, MAX_RECORD_BYTES, SETTINGS_NAME, LedgerLine, read_ledger
from sandmle.core.engine.plain import plain
from sandmle.core.engine.role_budget import USAGE_NAME
from sandmle.core.engine.tasks import verify_task
from sandmle.core.errors import RunError, StoreError, TaskError, boundary
from sandmle.core.types.synthesis import TaskProblem
from sandmle.core.types.task import TASK_ID_PATTERN, TaskLayout

MANIFEST_NAME: Final = "manifest.json"
MAX_MANIFEST_BYTES: Final = 64 * 2**20
MOST_SHOWN: Final = 120
"""Characters of a name that is not one of ours."""
_OWN_FILES: Final = (MANIFEST_NAME, LEDGER_NAME, SETTINGS_NAME, USAGE_NAME)

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Manifest(BaseModel):
    """The whole of `manifest.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    settings_sha256: Sha256
    """Of `synthesis.toml`."""
    ledger_sha256: Sha256
    """Of what the ledger says of every draft, but for its words: a traceback may hold what no seed decides."""
    tasks: dict[Annotated[str, Field(pattern=TASK_ID_PATTERN)], Sha256]
    """Task id to the hash of its `task.toml`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What a proof showed: the manifest's own hash, how many tasks were looked at, and what does not hold."""

    sha256: str
    tasks: tuple[str, ...]
    problems: tuple[tuple[str, TaskProblem], ...]
    """Folder name and problem each."""


def write_manifest(root: Path, lines: Iterable[LedgerLine]) -> str:
    """Write the manifest of a corpus that this process holds; its hash.

    Raises:
        StoreError: it cannot be written.
    """
    with boundary(StoreError, f"writing {root / MANIFEST_NAME}"):
        content = _manifest_bytes(root, tuple(lines))
        part = root / f".{MANIFEST_NAME}.part"
        part.write_bytes(content)
        part.replace(root / MANIFEST_NAME)
    return _sha256(content)


def verify_corpus(root: Path, expected: str | None = None) -> Verification:
    """Compare a corpus with its manifest, byte for byte; a task directory alone, with its own hashes.

    Args:
        root: the folder; all of it is untrusted.
        expected: the manifest's hash as its publisher told it.

    Raises:
        TaskError: there is nothing to verify.
    """
    if root.is_symlink() or not root.is_dir():
        raise TaskError(f"{root} is not a directory (links are not followed)")
    if TaskLayout(root).spec.exists() and not (root / MANIFEST_NAME).exists():
        if expected is not None:
            raise TaskError(f"{root} is a task directory; a manifest's hash is of a whole corpus")
        return Verification(
            sha256="", tasks=(root.name,), problems=tuple((root.name, one) for one in verify_task(root))
        )
    try:
        content = read_regular(root / MANIFEST_NAME, MAX_MANIFEST_BYTES)
        manifest = _parsed(content)
    except FileNotFoundError as problem:
        raise TaskError(
            f"{root} has no {MANIFEST_NAME} to hold it against; for a corpus of yours, the `sandmle synth` that made "
            "it writes one"
        ) from problem
    except ValidationError as problem:
        first = problem.errors(include_url=False)[0]
        place = plain(".".join(map(str, first["loc"])))[:MOST_SHOWN] or "the document"
        raise TaskError(f"{root / MANIFEST_NAME}: {place}: {first['msg']}") from problem
    except ValueError as problem:
        raise TaskError(f"{root / MANIFEST_NAME}: {problem}") from problem
    found = list(_corpus_problems(root, manifest))
    if expected is not None and _sha256(content) != expected.lower():
        said = f"its hash is {_sha256(content)}, not {expected}: this is another corpus"
        found.insert(0, (MANIFEST_NAME, TaskProblem(check="manifest", message=said)))
    return Verification(sha256=_sha256(content), tasks=tuple(manifest.tasks), problems=tuple(found))


def _parsed(content: bytes) -> Manifest:
    """The manifest, of which every reader must read the same.

    Raises:
        ValueError: it is none, or says one thing twice, of which JSON readers take one or the other.
    """
    manifest = Manifest.model_validate_json(content)
    json.loads(content, object_pairs_hook=_said_once)
    return manifest


def _said_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    [(name, count)] = Counter(name for name, _ in pairs).most_common(1) or [("", 0)]
    if count > 1:
        raise ValueError(f"{plain(name)[:MOST_SHOWN]} stands in it {count} times")
    return dict(pairs)


def _manifest_bytes(root: Path, lines: tuple[LedgerLine, ...]) -> bytes:
    names = sorted(line.task_id for line in lines if line.task_id is not None)
    manifest = Manifest(
        settings_sha256=_sha256((root / SETTINGS_NAME).read_bytes()),
        ledger_sha256=_ledger_sha256(lines),
        tasks={name: _sha256(TaskLayout(root / name).spec.read_bytes()) for name in names},
    )
    return (json.dumps(manifest.model_dump(), indent=1, sort_keys=True) + "\n").encode()


def _ledger_sha256(lines: Iterable[LedgerLine]) -> str:
    facts = [line.model_dump(exclude={"detail"}) for line in lines]
    return _sha256(json.dumps(facts, sort_keys=True).encode())


def _corpus_problems(root: Path, manifest: Manifest) -> Iterator[tuple[str, TaskProblem]]:
    for name, message in _top_level(root, manifest):
        yield name, TaskProblem(check="manifest", message=message)
    for name, message in _records(root, manifest):
        yield name, TaskProblem(check="manifest", message=message)
    for name, recorded in manifest.tasks.items():
        folder = root / name
        if folder.is_symlink() or not folder.is_dir():
            yield name, TaskProblem(check="manifest", message=f"{folder} is in the manifest and is no directory here")
            continue
        problems = verify_task(folder)
        for problem in problems:
            yield name, problem
        if not problems and _sha256(TaskLayout(folder).spec.read_bytes()) != recorded:
            yield name, TaskProblem(check="manifest", message=f"{folder / 'task.toml'} is not the manifest's")


def _top_level(root: Path, manifest: Manifest) -> Iterator[tuple[str, str]]:
    with os.scandir(root) as entries:
        names = sorted(entry.name for entry in entries)
    for name in names:
        # A lock, kept replies, a draft that was under way: no reader of a corpus looks at what is hidden.
        if name not in manifest.tasks and name not in _OWN_FILES and not name.startswith("."):
            yield name, f"{root / name} is not in the manifest: it is no part of the corpus, move it out"


def _records(root: Path, manifest: Manifest) -> Iterator[tuple[str, str]]:
    try:
        settings = read_regular(root / SETTINGS_NAME, MAX_RECORD_BYTES)
        if _sha256(settings) != manifest.settings_sha256:
            yield SETTINGS_NAME, f"{root / SETTINGS_NAME} is not the manifest's"
        if not (root / LEDGER_NAME).exists():
            yield LEDGER_NAME, f"{root / LEDGER_NAME} is missing"
        elif _ledger_sha256(read_ledger(root)) != manifest.ledger_sha256:
            yield LEDGER_NAME, f"{root / LEDGER_NAME} is not the manifest's: it was changed, or drafts came since"
    except FileNotFoundError as problem:
        yield SETTINGS_NAME, f"{problem.filename} is missing"
    except TaskError as problem:
        yield SETTINGS_NAME, str(problem)
    except RunError as problem:
        yield LEDGER_NAME, str(problem)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
