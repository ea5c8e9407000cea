"""`sandmle export tasks`: read, check, write."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sandmle.core.engine.tasks import Task, list_tasks
from sandmle.core.errors import TaskError
from sandmle.plugins.exchange.formats import TaskFormat
from sandmle.plugins.exchange.tasks.layouts import LAYOUTS
from sandmle.plugins.exchange.tasks.material import read_material, template, write
from sandmle.plugins.exchange.writing import new_folder, refuse_taken


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskExportSummary:
    """What came of it."""

    out: str
    format: str
    tasks: Sequence[str]
    """Ids of what was exported."""
    left_out: Mapping[str, str]
    """Task id to why it would be graded otherwise there."""
    warnings: Sequence[str]

    def as_json(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)

    def as_text(self) -> str:
        """A few lines for a person."""
        left_out = [f"left out {name}: {reason}" for name, reason in self.left_out.items()]
        return "\n".join([f"{self.out}: {len(self.tasks)} tasks as {self.format}", *left_out])


def export_tasks(tasks: Path, form: TaskFormat, out: Path, *, force: bool = False) -> TaskExportSummary:
    """Write task directories in another format.

    Args:
        tasks: a folder of task directories, one of them, or a manifest.
        form: the format.
        out: the folder to make.
        force: replace what an earlier export left there.

    Raises:
        UsageError: there is no task, two have one id, none can be exported, or `out` is taken or cannot be written.
        StoreError: the machine failed to write it.
    """
    refuse_taken(out, force=force)
    layout = LAYOUTS[form]
    found = _by_id(list_tasks(tasks))
    exported: list[Task] = []
    left_out: dict[str, str] = {}
    with new_folder(out, force=force) as folder:
        for name, task in found.items():
            try:
                material = read_material(task)
                layout.check(material)
            except TaskError as problem:
                left_out[name] = str(problem)
                continue
            layout.write_task(material, folder)
            exported.append(task)
        if not exported:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
            raise TaskError(f"no task of {tasks} can be exported as {form.value}: {reasons}")
        layout.write_rest(exported, folder)
        write(folder / "README.md", template(f"{form.value}_readme.md").replace("{count}", str(len(exported))))
    return TaskExportSummary(
        out=str(out),
        format=form.value,
        tasks=[task.spec.task_id for task in exported],
        left_out=left_out,
        warnings=[layout.warning] if layout.warning else [],
    )


def _by_id(tasks: Sequence[Task]) -> dict[str, Task]:
    found: dict[str, Task] = {}
    for task in tasks:
        taken = found.setdefault(task.spec.task_id, task)
        if taken is not task:
            raise TaskError(f"two tasks have the id {task.spec.task_id!r}: {taken.layout.root} and {task.layout.root}")
    return found
