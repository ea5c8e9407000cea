"""How far one fixed program gets beside the best program of each task: the grid of `sandmle tasks stats`."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from sandmle.core.engine.tasks import Task
from sandmle.core.engine.toolkit import open_toolkit
from sandmle.plugins.llms.offline.demonstrator.measuring import measure
from sandmle.plugins.llms.offline.demonstrator.programs import Program
from sandmle.plugins.llms.offline.demonstrator.stats import Choice, corpus_stats


def fixed_program(tasks: Sequence[Task], programs: Sequence[Program], workers: int) -> dict[str, Any]:
    """Run every program on every task; what `.stats.jsonl` beside the tasks holds is not run again.

    Returns:
        What `sandmle tasks stats --json` says of programs, chosen on these very tasks, which flatters the fixed ones;
        `fixed_share` and `fixed_matched_share` are medal rates in shares of the per-task best's, of the best fixed
        program and of one that is told the output its metric asks for; None where no program earns a medal at all.

    Raises:
        InfrastructureError: the sandbox, the grader or the disk failed.
    """

    def told(done: int, of: int) -> None:
        print(f"programs: {done}/{of} tasks measured", file=sys.stderr)

    results = asyncio.run(measure(open_toolkit(), tasks, programs, workers=workers, on_task=told))
    metrics = {task.spec.task_id: task.spec.metric.name for task in tasks}
    stats = corpus_stats(results, metrics, results, metrics)
    best = stats.per_task_best.mean

    def share(choice: Choice) -> float | None:
        return round(choice.medals.mean / best, 4) if best else None

    shares = {"fixed_share": share(stats.best_fixed), "fixed_matched_share": share(stats.best_fixed_matched)}
    return {**stats.as_json(), **shares}


def fixed_lines(found: Mapping[str, Any]) -> list[str]:
    """The medal rates, and those of fixed programs in shares of the per-task best's, for a person."""
    lines = [f"medal rates of {found['programs']} programs on {found['tasks']} tasks, bronze or better:"]
    for name, words in (("fixed", "best single fixed program"), ("fixed_matched", "the same, output told")):
        choice, share = found[f"best_{name}"], found[f"{name}_share"]
        shown = "" if share is None else f": {share:.2f} of the per-task best's (at most 0.50 asked)"
        lines.append(f"  {choice['medals']['mean']:.3f}  {words}, {', '.join(choice['programs'])}{shown}")
    return [*lines, f"  {found['per_task_best']['mean']:.3f}  best program of each task"]
