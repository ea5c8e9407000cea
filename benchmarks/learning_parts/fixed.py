"""What fixed programs reach, from the grid that `sandmle tasks stats` measures (and finds measured again)."""

import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from learning_parts.figures import Played
from sandmle.core.engine.interrupts import run_until_interrupted
from sandmle.core.engine.tasks import Task, list_tasks
from sandmle.core.engine.toolkit import Toolkit
from sandmle.plugins.llms.offline.demonstrator.grid import grid
from sandmle.plugins.llms.offline.demonstrator.measuring import Result, measure
from sandmle.plugins.llms.offline.demonstrator.stats import corpus_stats

FIXED, PORTFOLIO, PER_TASK = "best fixed program", "best portfolio of three", "best program per task"


def fixed_programs(toolkit: Toolkit, train: Path, count: int, split: Path) -> dict[str, list[Played]]:
    """The best fixed program and portfolio of three, and each task's best program.

    The former are chosen on `count` training tasks drawn by chance.
    """
    tasks, known = list_tasks(split), list_tasks(train)
    chosen_on = random.Random(0).sample(known, min(count, len(known)))
    their_results, results = _measured(toolkit, chosen_on), _measured(toolkit, tasks)
    stats = corpus_stats(results, _metrics(tasks), their_results, _metrics(chosen_on))
    portfolio = stats.best_portfolio.programs
    return {
        FIXED: _over(tasks, results, lambda row: _first(row, stats.best_fixed.programs)),
        PORTFOLIO: _over(tasks, results, lambda row: _by_cv(row, portfolio)),
        PER_TASK: _over(tasks, results, lambda row: max(row.values(), key=lambda one: one.human_rank)),
    }


def _measured(toolkit: Toolkit, tasks: Sequence[Task]) -> list[Result]:
    async def measured(_: object) -> list[Result]:
        return await measure(toolkit, tasks, grid())

    return run_until_interrupted(measured)


def _metrics(tasks: Sequence[Task]) -> dict[str, str]:
    return {task.spec.task_id: task.spec.metric.name for task in tasks}


def _first(row: dict[str, Result], programs: Sequence[str]) -> Result:
    return row[programs[0]]


def _by_cv(row: dict[str, Result], programs: Sequence[str]) -> Result:
    """The valid one that its own cross-validation likes best, as `tasks stats` takes it; else any."""
    valid = [row[name] for name in programs if row[name].valid]
    return max(valid, key=lambda one: -1e9 if one.cv is None else one.cv, default=row[programs[0]])


def _over(
    tasks: Sequence[Task], results: Sequence[Result], take: Callable[[dict[str, Result]], Result]
) -> list[Played]:
    rows: dict[str, dict[str, Result]] = defaultdict(dict)
    for one in results:
        rows[one.task_id][one.program] = one
    played = []
    for task in tasks:
        taken = take(rows[task.spec.task_id])
        played.append(
            Played(
                family=task.spec.rule_family,
                task_id=task.spec.task_id,
                medal=float(taken.medal != "none"),
                gold=float(taken.medal == "gold"),
                valid=float(taken.valid),
                human_rank=taken.human_rank,
            )
        )
    return played
