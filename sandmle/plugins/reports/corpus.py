"""What was made: the tasks of a corpus, its ledger, and their distribution, gathered from disk for the page."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from sandmle.core.engine.ledger import LEDGER_NAME, LedgerLine, read_ledger
from sandmle.core.engine.tasks import read_task, task_dirs
from sandmle.core.errors import TaskError
from sandmle.core.types.task import TaskLayout, TaskSpec
from sandmle.plugins.reports import numbers, previews

MAX_DESCRIPTION: Final = 8_000
MAX_BARS: Final = 12
MAX_REASON: Final = 240


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskView:
    """One task of the corpus."""

    spec: TaskSpec
    layout: TaskLayout
    sha256: str
    """Of its `task.toml`."""
    description: str

    @property
    def task_id(self) -> str:
        return self.spec.task_id


@dataclass(frozen=True, slots=True, kw_only=True)
class CardView:
    """One task as an example to look at. Read only for the tasks that are shown."""

    task: TaskView
    preview: previews.Preview
    board: tuple[float, ...]
    board_problem: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """Why drafts did not become tasks: one reason, its count, and one case in words."""

    check: str
    count: int
    example: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerView:
    """The ledger, counted."""

    drafts: int
    accepted: int
    rejected: tuple[Rejected, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusView:
    """A corpus directory, read."""

    name: str
    tasks: tuple[TaskView, ...]
    ledger: LedgerView | None
    """None when the directory has no ledger (a hand-made or imported corpus)."""
    distributions: tuple[tuple[str, tuple[tuple[str, int], ...]], ...]
    """Heading to (value, tasks), most first."""
    generators: tuple[str, ...]
    """Model strings that made the tasks."""
    problems: tuple[str, ...]
    """Folders that are no tasks, and why."""


def read_corpus(folder: Path) -> CorpusView:
    """Read every task directory below `folder`; one that cannot be read is a problem on the page, not the end.

    Args:
        folder: a corpus, a folder of task directories, one of them, or a manifest that lists some.

    Raises:
        TaskError: it is not there, holds nothing of the kind, or is a manifest of something else.
        RunError: the ledger is damaged.
        StoreError: the ledger cannot be read.
    """
    if not folder.exists():
        raise TaskError(
            f"there is no {folder}; --tasks takes the directory that `sandmle synth -o` wrote, or a manifest"
        )
    lines = read_ledger(folder) if (folder / LEDGER_NAME).exists() else None
    counted = None if lines is None else {line.task_id for line in lines if line.task_id is not None}
    tasks: list[TaskView] = []
    problems: list[str] = []
    folders = _folders(folder)
    for path in folders:
        if path.name.startswith(".") or not TaskLayout(path).spec.is_file():
            continue
        if counted is not None and path.name not in counted:
            problems.append(f"{path.name}: not accepted in the ledger, so not part of this corpus")
            continue
        try:
            tasks.append(_read_task(path))
        except (TaskError, OSError) as problem:
            problems.append(numbers.clip_line(str(problem).replace(f"{folder}/", ""), MAX_REASON))
    if lines is None and not tasks and not problems:
        raise TaskError(f"{folder} holds no task directory (a folder with a task.toml) and no ledger of any")
    missing = sorted(str(task_id) for task_id in (counted or set()) - {path.name for path in folders})
    problems.extend(f"{task_id}: accepted in the ledger, but its directory is gone" for task_id in missing)
    return CorpusView(
        name=folder.resolve().name,
        tasks=tuple(tasks),
        ledger=None if lines is None else _count(lines),
        distributions=_distributions([task.spec for task in tasks]),
        generators=tuple(sorted({task.spec.provenance.generator_model for task in tasks})),
        problems=tuple(problems),
    )


def read_card(task: TaskView) -> CardView:
    """Read what a task's card shows beside its `task.toml`; a file that cannot be read is a note on the card."""
    board, board_problem = previews.read_board(task.layout.leaderboard)
    preview = previews.read_preview(task.layout, task.spec.submission)
    return CardView(task=task, preview=preview, board=board, board_problem=board_problem)


def _folders(folder: Path) -> Sequence[Path]:
    if not folder.is_dir():
        return task_dirs(folder)
    return [folder] if TaskLayout(folder).spec.exists() else sorted(folder.iterdir())


def _read_task(path: Path) -> TaskView:
    layout = TaskLayout(path)
    # A stranger's link would put a file of the reader's own machine into a page made to be passed on.
    for part in (layout.spec, layout.description, layout.public, layout.private):
        if part.is_symlink():
            raise TaskError(f"{part} is a symbolic link, which a task directory never holds")
    task = read_task(path)
    return TaskView(
        spec=task.spec,
        layout=layout,
        sha256=sha256(layout.spec.read_bytes()).hexdigest(),
        description=numbers.clip(task.description, MAX_DESCRIPTION),
    )


def _count(lines: Sequence[LedgerLine]) -> LedgerView:
    rejected = [line for line in lines if line.task_id is None]
    counts = Counter(line.check or "no reason given" for line in rejected)
    examples = {line.check or "no reason given": line.detail for line in reversed(rejected)}
    return LedgerView(
        drafts=len(lines),
        accepted=len(lines) - len(rejected),
        rejected=tuple(
            Rejected(check=check, count=count, example=numbers.clip_line(examples[check], MAX_REASON))
            for check, count in _most_first(counts)
        ),
    )


def _distributions(specs: Sequence[TaskSpec]) -> tuple[tuple[str, tuple[tuple[str, int], ...]], ...]:
    if not specs:
        return ()
    ways: tuple[tuple[str, Callable[[TaskSpec], str]], ...] = (
        ("Modality", lambda spec: spec.modality),
        ("Task type", lambda spec: spec.task_type),
        ("Metric", lambda spec: spec.metric.name),
        ("Rule family", lambda spec: spec.rule_family),
        ("Domain", lambda spec: spec.domain),
        ("Seed", lambda spec: spec.provenance.seed_id),
        ("Training rows", _row_band),
        ("Noise families per task", lambda spec: str(len(spec.noise_families))),
    )
    return tuple((heading, _capped(Counter(way(spec) for spec in specs))) for heading, way in ways)


def _row_band(spec: TaskSpec) -> str:
    start = spec.rows.train // 50 * 50
    return f"{start} to {start + 49}"


def _capped(counts: Counter[str]) -> tuple[tuple[str, int], ...]:
    rows = _most_first(counts)
    if len(rows) <= MAX_BARS:
        return tuple(rows)
    rest = rows[MAX_BARS - 1 :]
    return (*rows[: MAX_BARS - 1], (f"{len(rest)} others", sum(count for _, count in rest)))


def _most_first(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))
