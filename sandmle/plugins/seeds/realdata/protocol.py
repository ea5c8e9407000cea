"""A benchmark of real rows written down: how it was made, its tasks, and what plain solutions reach on them."""

import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from sandmle.core.engine.board_files import read_board, second_column
from sandmle.core.engine.boards import SCORE_DECIMALS, PositionBoard, medal_of
from sandmle.core.engine.summary import json_ready
from sandmle.core.engine.tasks import Task, read_task
from sandmle.core.types.score import Medal, Thresholds
from sandmle.plugins.seeds.realdata.drafting import PROTOCOL, ROWS_FOR_MEDALS
from sandmle.plugins.seeds.realdata.population import BASELINES, VIEWS, references
from sandmle.plugins.seeds.realdata.rows import MAX_TEST, MAX_TRAIN, PUBLIC_SHARE, TRAIN_SHARE

FILE: Final = "benchmark.json"
"""Lies beside the task directories."""


def benchmark_document(folders: Sequence[Path], rng_seed: int, repeats: int) -> dict[str, Any]:
    """Protocol, tasks and baselines, fit for JSON.

    Raises:
        TaskError: a task directory cannot be used.
    """
    tasks = [read_task(folder) for folder in folders]
    rows = [_of_task(task) for task in tasks]
    document: dict[str, Any] = json_ready(
        {
            "protocol": {
                "version": PROTOCOL,
                "splits": f"{repeats} of each data set, drawn at random from rng_seed {rng_seed}; copies of a row are "
                "left out first, so that no row is in two parts",
                "training_rows": f"{TRAIN_SHARE:.0%} of the rows, {MAX_TRAIN} at most",
                "test_rows": f"the others, {MAX_TEST} at most; {PUBLIC_SHARE:.0%} of them for the public board",
                "board": "scores on the private-board rows of plain solutions fitted on the training rows, best first; "
                "none is tuned on a row that grades",
                "population": {modality: len(references(modality)) for modality in VIEWS},
                "medals": f"MLE-bench's rule, where at least {ROWS_FOR_MEDALS} rows grade",
                "score": "HumanRank on the private board, mean over the splits of a data set, then over the data sets",
                "training": "no training takes these tasks",
            },
            "tasks": rows,
            "baselines": {name: _over_tasks([row["baselines"].get(name) for row in rows], tasks) for name in BASELINES},
        }
    )
    return document


def _of_task(task: Task) -> dict[str, Any]:
    spec = task.spec
    board = PositionBoard(second_column(read_board(task.layout.leaderboard)), spec.metric.direction)
    thresholds = Thresholds(**spec.thresholds.model_dump())
    scores = {one.name: round(one.score, SCORE_DECIMALS) for one in spec.solutions}
    usual = VIEWS[spec.modality][0]
    return {
        "task_id": spec.task_id,
        "data": spec.provenance.seed_id,
        "source": spec.provenance.generator_model,
        "modality": spec.modality,
        "task_type": spec.task_type,
        "metric": spec.metric.name,
        "rows": spec.rows.model_dump(),
        "board": len(spec.solutions),
        "thresholds": spec.thresholds.model_dump(),
        "baselines": {
            name: {
                "score": score,
                "human_rank": board.place(score).position_score,
                "medal": medal_of(score, thresholds, spec.metric.direction).value,
            }
            for name in BASELINES
            if (score := scores.get(f"{usual}-{name}")) is not None
        },
    }


def _over_tasks(found: Sequence[Mapping[str, Any] | None], tasks: Sequence[Task]) -> dict[str, Any]:
    """Mean HumanRank over data sets with its standard error, and the share of tasks with medals that earned one."""
    ranks: dict[str, list[float]] = {}
    medals = []
    for one, task in zip(found, tasks, strict=True):
        if one is not None:
            ranks.setdefault(task.spec.provenance.seed_id, []).append(one["human_rank"])
            if not math.isnan(task.spec.thresholds.gold):
                medals.append(one["medal"] != Medal.NONE.value)
    means = [statistics.fmean(values) for values in ranks.values()]
    error = statistics.stdev(means) / math.sqrt(len(means)) if len(means) > 1 else None
    return {
        "human_rank": statistics.fmean(means) if means else None,
        "standard_error": error,
        "medal_rate": statistics.fmean(medals) if medals else None,
    }


def as_lines(document: Mapping[str, Any]) -> list[str]:
    """The baselines as a table for a person."""
    lines = [f"{len(document['tasks'])} tasks of {len({one['data'] for one in document['tasks']})} data sets"]
    lines.append(f"{'baseline':10} {'HumanRank':>9} {'medals':>7}")
    for name, one in document["baselines"].items():
        cells = ["-" if one[key] is None else f"{one[key]:.3f}" for key in ("human_rank", "medal_rate")]
        lines.append(f"{name:10} {cells[0]:>9} {cells[1]:>7}")
    return lines
