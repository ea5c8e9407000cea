"""What the grid's results say of a corpus: how far fixed programs get, and how far the best program per task. Pure."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from sandmle.core.engine.evaluation import estimate
from sandmle.core.types.report import Estimate
from sandmle.core.types.score import Medal
from sandmle.plugins.llms.offline.demonstrator.grid import asked_output
from sandmle.plugins.llms.offline.demonstrator.measuring import Result

PORTFOLIO: Final = 3
"""Programs of a portfolio: as many as the demonstrator may try."""

Row = Mapping[str, Result]
"""One task's results by program name, or by a name without its output."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Programs chosen on some tasks, and the medal rate they reach on others."""

    programs: tuple[str, ...]
    medals: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusStats:
    """Medal means bronze or better; intervals are percentile bootstraps over tasks."""

    tasks: int
    programs: int
    chosen_on: int
    """Tasks on which the fixed programs were chosen."""
    best_fixed: Choice
    """One program, its output included."""
    best_portfolio: Choice
    """Three programs; in each task the valid one with the best cross-validated score counts."""
    best_fixed_matched: Choice
    """One representation and model that is told the output the metric asks for."""
    best_portfolio_matched: Choice
    per_task_best: Estimate
    """Share of tasks on which some program of the grid earns a medal."""
    running: Estimate
    """Share of programs that run to a submission."""
    valid: Estimate

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def corpus_stats(
    results: Sequence[Result], metrics: Mapping[str, str], chosen_on: Sequence[Result], their_metrics: Mapping[str, str]
) -> CorpusStats:
    """Judge a corpus.

    Args:
        results: of the grid on the corpus.
        metrics: task id to metric name.
        chosen_on: of the same grid on the training tasks, or `results` again, which flatters the fixed programs.
        their_metrics: task id to metric name of those.
    """
    rows, training = _by_task(results), _by_task(chosen_on)
    matched, training_matched = _matched(rows, metrics), _matched(training, their_metrics)
    return CorpusStats(
        tasks=len(rows),
        programs=len({one.program for one in results}),
        chosen_on=len(training),
        best_fixed=_choose(training, rows, 1),
        best_portfolio=_choose(training, rows, PORTFOLIO),
        best_fixed_matched=_choose(training_matched, matched, 1),
        best_portfolio_matched=_choose(training_matched, matched, PORTFOLIO),
        per_task_best=_over(rows, lambda row: float(any(map(_earned, row.values())))),
        running=_over(rows, lambda row: sum(one.ran for one in row.values()) / len(row)),
        valid=_over(rows, lambda row: sum(one.valid for one in row.values()) / len(row)),
    )


def _by_task(results: Sequence[Result]) -> dict[str, dict[str, Result]]:
    rows: dict[str, dict[str, Result]] = defaultdict(dict)
    for one in results:
        rows[one.task_id][one.program] = one
    return dict(rows)


def _matched(rows: Mapping[str, Row], metrics: Mapping[str, str]) -> dict[str, dict[str, Result]]:
    """Each task's results under names without output, of the output that its metric asks for."""
    found: dict[str, dict[str, Result]] = {}
    for task_id, row in rows.items():
        ending = f"/{asked_output(metrics[task_id])}"
        found[task_id] = {name.removesuffix(ending): one for name, one in row.items() if name.endswith(ending)}
    return found


def _choose(training: Mapping[str, Row], rows: Mapping[str, Row], size: int) -> Choice:
    """The set of `size` programs with most medals on the training tasks, found greedily; ties by HumanRank, name."""
    names = sorted({name for row in training.values() for name in row})
    chosen: tuple[str, ...] = ()
    while len(chosen) < min(size, len(names)):
        chosen = max(
            ((*chosen, name) for name in names if name not in chosen),
            key=lambda together: (
                sum(_medal(row, together) for row in training.values()),
                sum(_rank(row, together) for row in training.values()),
            ),
        )
    return Choice(programs=chosen, medals=_over(rows, lambda row: _medal(row, chosen)))


def _taken(row: Row, together: Sequence[str]) -> Result | None:
    """The valid result that its own cross-validation likes best, the earlier one when two are level."""
    valid = [row[name] for name in together if name in row and row[name].valid]
    return max(valid, key=lambda one: -1e9 if one.cv is None else one.cv, default=None)


def _medal(row: Row, together: Sequence[str]) -> float:
    taken = _taken(row, together)
    return float(taken is not None and _earned(taken))


def _rank(row: Row, together: Sequence[str]) -> float:
    taken = _taken(row, together)
    return taken.human_rank if taken else 0.0


def _earned(result: Result) -> bool:
    return result.medal != Medal.NONE.value


def _over(rows: Mapping[str, Row], measure: Callable[[Row], float]) -> Estimate:
    return estimate({task_id: [measure(row)] for task_id, row in rows.items()})


def stats_lines(stats: CorpusStats) -> list[str]:
    """The same for a person."""
    where = f"chosen on {stats.chosen_on} tasks"
    choices = {
        "best fixed program": stats.best_fixed,
        "best fixed portfolio of three": stats.best_portfolio,
        "best fixed program, output told": stats.best_fixed_matched,
        "best portfolio, output told": stats.best_portfolio_matched,
    }
    lines = [f"{stats.programs} programs on {stats.tasks} tasks; fixed ones {where}; medal rates with 95 % intervals"]
    for name, choice in choices.items():
        lines.append(f"{name:<34}{_shown(choice.medals)}  {', '.join(choice.programs)}")
    lines.append(f"{'best program of each task':<34}{_shown(stats.per_task_best)}")
    lines.append(f"{'programs that run':<34}{_shown(stats.running)}")
    return [*lines, f"{'programs with a valid submission':<34}{_shown(stats.valid)}"]


def _shown(estimated: Estimate) -> str:
    return f"{estimated.mean:.3f} [{estimated.low:.3f}, {estimated.high:.3f}]"
