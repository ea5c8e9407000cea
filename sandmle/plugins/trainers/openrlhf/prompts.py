"""The prompt dataset: which tasks are played how often. The executor finds a task by its label. Pure."""

import json
import random
from collections.abc import Iterable, Sequence

from sandmle.core.engine.recording import derived
from sandmle.core.engine.tasks import Task


def prompt_lines(tasks: Sequence[Task], rows: int, rng_seed: int) -> str:
    """JSON Lines with so many rows: one shuffled pass over all tasks after another, so that none is seen much more.

    A run has exactly as many steps as its rows give, none of them short, and as many as its learning-rate schedule is
    made for. OpenRLHF shuffles the rows once more.

    Args:
        tasks: at least one.
        rows: `steps` times `tasks_per_step`.
        rng_seed: of the run.
    """
    by_id = {task.spec.task_id: task for task in tasks}
    order: list[str] = []
    while len(order) < rows:
        names = sorted(by_id)
        random.Random(derived(rng_seed, "tasks", len(order) // len(names))).shuffle(names)
        order += names
    return _lines((by_id[name] for name in order[:rows]), "training")


def validation_lines(tasks: Iterable[Task]) -> str:
    """JSON Lines with each task once."""
    return _lines(tasks, "validation")


def _lines(tasks: Iterable[Task], source: str) -> str:
    # What the policy is first told is the scaffold's to write, in the executor; this text tells tasks apart in logs.
    rows = ({"prompt": one.description, "label": one.spec.task_id, "datasource": source} for one in tasks)
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
