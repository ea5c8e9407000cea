"""`sandmle import sandmle-release`: look at every task, run its evaluator, take what passes, report on all."""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sandmle.core.contracts.sandbox import Sandbox
from sandmle.core.engine.summary import json_ready
from sandmle.plugins.exchange.releases.bundle import (
    ANSWERS,
    EVALUATOR,
    BundleTask,
    Defect,
    find_tasks,
    hidden,
    listed,
    look,
)
from sandmle.plugins.exchange.releases.judging import Judgement, judge
from sandmle.plugins.exchange.writing import new_folder, refuse_taken

REPORT = "report.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskReport:
    """What was found about one task."""

    name: str
    """In the bundle."""
    task_id: str
    imported: bool
    direction: str | None
    thresholds: dict[str, float] | None
    sample_score: float | None
    truth_score: float | None
    defects: tuple[Defect, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleSummary:
    """What came of it."""

    out: str
    isolation: str
    """Level of the sandbox in which the evaluators ran."""
    tasks: Sequence[TaskReport]
    missing: Sequence[str]
    """On the bundle's own list, and not there."""

    @property
    def imported(self) -> int:
        return sum(one.imported for one in self.tasks)

    def as_json(self) -> dict[str, Any]:
        """As JSON has it."""
        document: dict[str, Any] = json_ready({**asdict(self), "imported": self.imported})
        return document

    def as_text(self) -> str:
        """A line, and one for each defect."""
        head = f"{self.out}: {self.imported} of {len(self.tasks)} tasks, evaluators run at level {self.isolation}"
        defects = [
            f"{one.task_id}: {'' if one.imported else 'left out, '}{defect.check}: {defect.message}"
            for one in self.tasks
            for defect in one.defects
        ]
        return "\n".join([head, *defects, *(f"{name}: listed and not there" for name in self.missing)])


async def import_bundle(
    bundle: Path, out: Path, sandbox: Sandbox, *, deadline_s: float, tell: Callable[[str], None]
) -> BundleSummary:
    """Take a released bundle in: `OUT/<task id>/{description.md, public/, private/}` and a report.

    Answers, evaluator and copies of them go to `private/`. A task with a fatal defect is left out.

    Args:
        bundle: the bundle's folder, or that of one of its tasks.
        out: the folder to make.
        sandbox: where evaluators run; started and closed here.
        deadline_s: seconds for each run of an evaluator.
        tell: is told of each task as it is done.

    Raises:
        UsageError: there is no bundle, or `out` is taken or cannot be written.
        SandboxError: the sandbox failed.
        StoreError: the machine failed to write it.
    """
    refuse_taken(out, force=False)
    tasks, names = find_tasks(bundle), listed(bundle)
    reports = []
    with new_folder(out, force=False) as folder:
        try:
            await sandbox.start()
            for task in tasks:
                reports.append(await _take(task, folder, sandbox, deadline_s))
                tell(f"{task.task_id}: {'imported' if reports[-1].imported else 'left out'}")
            level = sandbox.level.value
        finally:
            await sandbox.close()
        summary = BundleSummary(
            out=str(out),
            isolation=level,
            tasks=reports,
            missing=sorted(set(names or ()) - {task.name for task in tasks}),
        )
        (folder / REPORT).write_text(json.dumps(summary.as_json(), indent=2) + "\n", encoding="utf-8")
    return summary


async def _take(task: BundleTask, folder: Path, sandbox: Sandbox, deadline_s: float) -> TaskReport:
    try:
        defects = look(task)
    except OSError as problem:
        message = f"{problem.filename} cannot be read: {problem.strerror}"
        defects = [Defect(check="files", message=message, fatal=True)]
    judgement = Judgement(verdict=None, truth_score=None, defects=())
    if not any(defect.fatal for defect in defects):
        judgement = await judge(sandbox, task.public, deadline_s)
        defects += judgement.defects
    verdict = judgement.verdict
    report = TaskReport(
        name=task.name,
        task_id=task.task_id,
        imported=not any(defect.fatal for defect in defects),
        direction=None if verdict is None else "min" if verdict.is_lower_better else "max",
        thresholds=None
        if verdict is None
        else dict(zip(("gold", "silver", "bronze", "median"), verdict.thresholds(), strict=True)),
        sample_score=None if verdict is None else verdict.score,
        truth_score=judgement.truth_score,
        defects=tuple(defects),
    )
    if report.imported:
        _write(task, folder / task.task_id, report)
    return report


def _write(task: BundleTask, folder: Path, report: TaskReport) -> None:
    secret = hidden(task)

    def left_behind(directory: str, names: list[str]) -> list[str]:
        return [name for name in names if Path(directory, name) in secret]

    shutil.copytree(task.public, folder / "public", ignore=left_behind)
    (folder / "public" / "description.md").rename(folder / "description.md")
    (folder / "private").mkdir()
    for name in (ANSWERS, EVALUATOR):
        shutil.copyfile(task.public / name, folder / "private" / name)
    text = json.dumps(json_ready(asdict(report)), indent=2)
    (folder / "private" / "release.json").write_text(text + "\n", encoding="utf-8")
