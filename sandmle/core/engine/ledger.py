"""A corpus on disk: its folder, the settings it was made with, and the ledger of every draft.

The ledger decides what a corpus holds. A task is first written whole into a hidden staging folder, then its
line is appended to the ledger, then it is moved into sight, so that `kill -9` at any moment leaves either no
trace of a draft or the whole of it.
"""

import fcntl
import json
import os
import shutil
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sandmle.core.engine.file_trees import read_regular
from sandmle.core.engine.line_log import LineLog, open_log
from sandmle.core.engine.tasks import read_spec, write_task
from sandmle.core.errors import RunError, StoreError, TaskError, boundary
from sandmle.core.types.synthesis import TaskDraft
from sandmle.core.types.task import TASK_ID_PATTERN, TaskSpec

LEDGER_NAME: Final = "ledger.jsonl"
SETTINGS_NAME: Final = "synthesis.toml"
MAX_RECORD_BYTES: Final = 512 * 2**20
"""Of a ledger or of settings: text that is read whole."""
_STAGING: Final = ".staging"
_LOCK: Final = ".lock"


class LedgerLine(BaseModel):
    """What became of one draft."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    index: int
    seed_id: str
    rng_seed: int
    """Of this draft, derived from the corpus' rng seed and `index`."""
    task_id: Annotated[str, Field(pattern=TASK_ID_PATTERN)] | None
    """None when rejected; never a path, since folders of this name are moved."""
    check: str | None
    """The check, or `role:NAME`, that rejected it; None when accepted."""
    detail: str
    """Why it was rejected; the task's title when it was accepted."""
    tries: dict[str, int]
    """Role name to the number of answers it gave."""


class Corpus:
    """A corpus folder, held by this process alone. Made by `open_corpus`."""

    def __init__(self, root: Path, log: LineLog, lines: Iterable[LedgerLine]) -> None:
        self.root = root
        self._log = log
        self._lines = list(lines)
        self._accepted = [(line, _to_keep(read_spec(root / line.task_id))) for line in self._lines if line.task_id]

    @property
    def lines(self) -> tuple[LedgerLine, ...]:
        """Every committed draft, in index order."""
        return tuple(self._lines)

    @property
    def accepted(self) -> tuple[TaskSpec, ...]:
        """The tasks, in the order of their drafts, without the hashes of files that belong to single rows."""
        return tuple(spec for _, spec in self._accepted)

    def titles(self, seed_id: str, below: int) -> tuple[str, ...]:
        """Titles of the tasks that amplify one seed and whose draft's index is below a bound."""
        return tuple(spec.title for line, spec in self._accepted if line.seed_id == seed_id and line.index < below)

    def commit(self, line: LedgerLine, draft: TaskDraft | None) -> None:
        """Record the next draft; an accepted one becomes a visible task directory.

        Raises:
            ValueError: the line is not that of the next draft.
            TaskError: a file name of the draft is unsafe.
            StoreError: the directory or the ledger cannot be written.
        """
        if line.index != len(self._lines):
            raise ValueError(f"draft {line.index} was committed where draft {len(self._lines)} belongs")
        if draft is not None:
            task = write_task(self.root / _STAGING, draft)
        self._log.append(_as_json(line), durable=True)
        self._lines.append(line)
        if draft is not None:
            with boundary(StoreError, f"moving {draft.spec.task_id} into {self.root}"):
                task.layout.root.rename(self.root / draft.spec.task_id)
                (self.root / _STAGING).rmdir()
            self._accepted.append((line, _to_keep(task.spec)))


def _to_keep(spec: TaskSpec) -> TaskSpec:
    """What is held in memory of a task: hashes of a thousand pictures each would fill it, and stand in `task.toml`."""
    kept = {path: digest for path, digest in spec.provenance.content_sha256.items() if path.count("/") < 2}
    return spec.model_copy(update={"provenance": spec.provenance.model_copy(update={"content_sha256": kept})})


@contextmanager
def open_corpus(root: Path, settings: Mapping[str, Any]) -> Iterator[Corpus]:
    """Hold a corpus folder, made if it is not there, and put right what a kill left behind.

    Args:
        root: the folder.
        settings: what decides the corpus' content, as TOML can hold it; must equal what it was begun with.

    Raises:
        RunError: the folder cannot be used or is something else, another process holds it, it was begun with other
            settings (with the differences), its ledger is damaged, or an accepted task is gone.
    """
    with ExitStack() as stack:
        # This ends before the yield: what escapes from the caller's block is none of the folder's doing.
        try:
            _claim(root)
            _lock(root, stack)
            _agree(root / SETTINGS_NAME, settings)
            log = stack.enter_context(open_log(root / LEDGER_NAME))
            lines = read_ledger(root)
            _put_right(root, lines)
        except OSError as problem:
            raise RunError(f"the folder {root} cannot be used: {problem.strerror or problem}") from problem
        yield Corpus(root, log, lines)


def read_ledger(root: Path) -> tuple[LedgerLine, ...]:
    """The ledger of a corpus; a torn last line (of a killed writer) is left out.

    Raises:
        RunError: another line is damaged, indices are not 0, 1, 2..., or it is no regular file that can be read.
    """
    path = root / LEDGER_NAME
    try:
        content = read_regular(path, MAX_RECORD_BYTES)
    except FileNotFoundError:
        content = b""
    except TaskError as problem:
        raise RunError(str(problem)) from problem
    lines: list[LedgerLine] = []
    for number, raw in enumerate(content[: content.rfind(b"\n") + 1].splitlines(), 1):
        try:
            line = LedgerLine.model_validate_json(raw)
        except ValidationError as problem:
            raise RunError(f"{path}, line {number}: not a ledger line; make the corpus in a new folder") from problem
        if line.index != number - 1:
            raise RunError(f"{path}, line {number}: draft {line.index} where {number - 1} belongs; it was edited")
        lines.append(line)
    return tuple(lines)


def count_rejections(lines: Iterable[LedgerLine]) -> dict[str, int]:
    """Check name to the number of drafts it rejected, most first."""
    counts = Counter(line.check for line in lines if line.check is not None)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _as_json(line: LedgerLine) -> bytes:
    return json.dumps(line.model_dump(), ensure_ascii=False, sort_keys=True).encode("utf-8", "replace")


def _claim(root: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    # What is hidden is no one's work: a lock, or replies kept for the first draft.
    strange = sorted(
        path.name for path in root.iterdir() if not path.name.startswith(".") and path.name != f"{SETTINGS_NAME}.part"
    )
    if strange and not (root / SETTINGS_NAME).is_file():
        raise RunError(f"{root} is no corpus (it holds {strange[0]!r}); name a new or empty folder")


def _lock(root: Path, stack: ExitStack) -> None:
    # The kernel lets go of the lock when its holder dies, however it dies, so no stale lock is ever left.
    lock = stack.enter_context((root / _LOCK).open("ab"))
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise RunError(f"another process is making tasks in {root}; wait for it, or name another folder") from None


def _agree(path: Path, settings: Mapping[str, Any]) -> None:
    """Write the settings of a new corpus; compare them with those of an old one."""
    text = tomli_w.dumps(settings)
    if not path.exists():
        part = path.with_name(f"{path.name}.part")
        part.write_text(text, "utf-8")
        part.rename(path)
        return
    try:
        before = dict(_leaves(tomllib.loads(path.read_text("utf-8"))))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise RunError(f"{path} is not TOML: {problem}") from problem
    now = dict(_leaves(tomllib.loads(text)))
    changes = [
        f"  {key}: was {before.get(key, '(absent)')!r}, is {now.get(key, '(absent)')!r}"
        for key in sorted(before.keys() | now.keys())
        if before.get(key) != now.get(key)
    ]
    if changes:
        raise RunError(
            f"{path.parent} was begun with other settings; name another folder, or undo what changed:\n"
            + "\n".join(changes)
        )


def _leaves(tree: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _put_right(root: Path, lines: Iterable[LedgerLine]) -> None:
    """Finish the move of a committed task and remove what was never committed."""
    for line in lines:
        if line.task_id is None or (root / line.task_id).is_dir():
            continue
        staged = root / _STAGING / line.task_id
        if not staged.is_dir():
            raise RunError(f"{root / line.task_id} is gone, and the ledger says it was accepted; restore it")
        os.rename(staged, root / line.task_id)
    shutil.rmtree(root / _STAGING, ignore_errors=True)
