"""`sandmle import atif` and `sandmle import openai`: a run directory of demonstrations."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from sandmle.core.engine.store import open_store
from sandmle.core.engine.tasks import read_spec, task_dirs
from sandmle.core.errors import UsageError, nearest
from sandmle.plugins.exchange.demonstrations.atif_files import read_atif
from sandmle.plugins.exchange.demonstrations.chat_lines import read_chat
from sandmle.plugins.exchange.demonstrations.making import Demonstration, episode_of

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
"""Task ids of ours and of the peers; what could be a path is none."""
READERS: Final = {"atif": read_atif, "openai": read_chat}


@dataclass(frozen=True, slots=True, kw_only=True)
class DemonstrationImport:
    """What is imported and into what."""

    form: str
    """A name of `READERS`."""
    sources: tuple[Path, ...]
    out: Path
    """The run directory; the same import on the same directory goes on where it stopped."""
    tasks: Path | None = None
    """Folder of task directories: a trajectory of another task is left out."""
    task: str | None = None
    """The task of every trajectory that does not name its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportSummary:
    """What came of it."""

    out: str
    episodes: int
    turns: int
    """Turns to be imitated."""
    tasks: Mapping[str, int]
    """Task id to how many episodes."""
    left_out: Mapping[str, int]

    def as_json(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)

    def as_text(self) -> str:
        """A line for a person."""
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(self.left_out.items()))
        left_out = f"; left out: {reasons}" if reasons else ""
        head = f"{self.out}: {self.episodes} demonstrations of {len(self.tasks)} tasks, {self.turns} turns{left_out}"
        return f"{head}\nimitate them with `sandmle train sft --demos {self.out} --tasks TASKS -o OUT`"


def import_demonstrations(asked: DemonstrationImport) -> ImportSummary:
    """Write other people's trajectories as a run directory that `sandmle train sft --demos` takes.

    Raises:
        UsageError: a source cannot be read, a trajectory is of no known task, nothing is left, or the directory
            holds something else.
        StoreError: it could not be written.
    """
    known = [read_spec(path).task_id for path in task_dirs(asked.tasks)] if asked.tasks else None
    if asked.task is not None and known is not None and asked.task not in known:
        raise UsageError(f"{asked.tasks} holds no task {asked.task!r}; {nearest(asked.task, known)}")
    left_out: Counter[str] = Counter()
    kept = list(_kept(_read(asked), asked, known, left_out))
    if not kept:
        reasons = ", ".join(f"{count} by {reason!r}" for reason, count in sorted(left_out.items())) or "there is none"
        raise UsageError(f"no demonstration is left of {', '.join(map(str, asked.sources))}: {reasons}")
    slots: Counter[str] = Counter()
    episodes = []
    for task_id, one in kept:
        episodes.append(episode_of(one, task_id, slots[task_id]))
        slots[task_id] += 1
    with open_store(asked.out, {"import": _record(asked)}) as store:
        for episode in episodes:
            if (episode.task_id, episode.slot) not in store.done:
                store.add_episode(episode)
    turns = sum(len(episode.trajectory.replies()) for episode in episodes)
    return ImportSummary(
        out=str(asked.out), episodes=len(kept), turns=turns, tasks=dict(sorted(slots.items())), left_out=dict(left_out)
    )


def _read(asked: DemonstrationImport) -> Iterator[Demonstration]:
    if not asked.sources:
        raise UsageError("name at least one file")
    for source in asked.sources:
        if not source.exists():
            raise UsageError(f"no such file or folder: {source}")
        yield from READERS[asked.form](source)


def _kept(
    found: Iterable[Demonstration],
    asked: DemonstrationImport,
    known: Sequence[str] | None,
    left_out: Counter[str],
) -> Iterator[tuple[str, Demonstration]]:
    for one in found:
        task_id = one.task_id or asked.task
        if task_id is None:
            raise UsageError(f"{one.where} names no task; say which with --task, or put `task_id` on the line")
        if not _NAME.fullmatch(task_id):
            raise UsageError(f"{one.where}: {task_id[:80]!r} cannot be the id of a task")
        if not any(entry.reply for segment in one.segments for entry in segment.entries):
            left_out["nothing said"] += 1
        elif known is not None and task_id not in known:
            left_out["of another task"] += 1
        else:
            yield task_id, one


def _record(asked: DemonstrationImport) -> dict[str, Any]:
    """What must be the same when an import is gone on with: contents, whatever their files are called."""
    files = [
        file
        for source in asked.sources
        for file in (sorted(one for one in source.rglob("*") if one.is_file()) if source.is_dir() else [source])
    ]
    record = {
        "format": asked.form,
        "files": [hashlib.sha256(file.read_bytes()).hexdigest() for file in files],
        "tasks": sorted(read_spec(path).task_id for path in task_dirs(asked.tasks)) if asked.tasks else [],
    }
    return record if asked.task is None else {**record, "task": asked.task}
