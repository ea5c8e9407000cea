"""Makes the task directories of the benchmark `realdata`, and lists them."""

import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from sandmle.core.engine.board_csv import parse_board
from sandmle.core.engine.boards import SCORE_DECIMALS, medal_rule
from sandmle.core.engine.tasks import verify_task, write_task
from sandmle.core.errors import StoreError, TaskError, nearest
from sandmle.core.types.metrics import METRICS
from sandmle.core.types.score import Direction, Prediction
from sandmle.core.types.synthesis import TaskDraft
from sandmle.core.types.task import MetricRecord, Provenance, SolutionRecord, TaskLayout, TaskSpec, ThresholdRecord
from sandmle.plugins.seeds.builtin import VIEWS, View
from sandmle.plugins.seeds.realdata.config import RealDataConfig
from sandmle.plugins.seeds.realdata.references import reference_scores
from sandmle.plugins.seeds.realdata.rows import FEWEST_ROWS, Split, answers_file, public_files, split_rows
from sandmle.plugins.seeds.shelf import Shelf

log = logging.getLogger(__name__)

ROWS_FOR_MEDALS: Final = 100
"""Private test rows below which a medal would be chance: then thresholds are NaN and HumanRank alone is given."""


class RealData:
    """The real rows of the built-in seeds in repeated splits of at most 200 training rows."""

    def __init__(self, config: RealDataConfig) -> None:
        self._config = config

    def task_dirs(self) -> Sequence[Path]:
        """The task directories, made where they are not there yet (which takes a minute or two).

        Raises:
            TaskError: no such seed, or a directory is not as it was made.
        """
        shelf = Shelf()
        found: list[Path] = []
        for view in self._views():
            loaded: tuple[Any, Any] | None = None
            for repeat in range(self._config.repeats):
                target = self._config.path / self._task_id(view, repeat)
                if not TaskLayout(target).spec.is_file():
                    loaded = loaded or view.load(shelf)
                    if len(loaded[1]) < FEWEST_ROWS:
                        break
                    self._make(view, loaded, repeat)
                elif problems := verify_task(target):
                    raise TaskError(f"{problems[0].message}; remove {target} to have it made again")
                found.append(target)
        return sorted(found)

    def _views(self) -> list[View]:
        known = [view.seed_id for view in VIEWS]
        for seed_id in self._config.seed_ids:
            if seed_id not in known:
                raise TaskError(f"plugin.benchmark.realdata.seed_ids: no seed {seed_id!r}; {nearest(seed_id, known)}")
        return [view for view in VIEWS if not self._config.seed_ids or view.seed_id in self._config.seed_ids]

    def _task_id(self, view: View, repeat: int) -> str:
        return f"real-{view.seed_id}-{self._config.rng_seed}-{repeat}"

    def _make(self, view: View, loaded: tuple[Any, Any], repeat: int) -> None:
        rng_seed = self._config.rng_seed
        log.info("making the real task %s", self._task_id(view, repeat))
        split = split_rows(view, loaded[0], np.asarray(loaded[1]), f"realdata:{view.seed_id}:{rng_seed}:{repeat}")
        draft = _draft(split, self._task_id(view, repeat), rng_seed, repeat)
        try:
            write_task(self._config.path, draft)
        except (TaskError, StoreError):
            # Another run may have made it meanwhile.
            if verify_task(self._config.path / draft.spec.task_id):
                raise


def _draft(split: Split, task_id: str, rng_seed: int, repeat: int) -> TaskDraft:
    view, metric = split.view, METRICS[split.view.metric]
    scores = reference_scores(split)
    lines = [f"{rank},{value:.{SCORE_DECIMALS}f}" for rank, value in enumerate(scores.values(), 1)]
    board = ("\n".join(["rank,score", *lines]) + "\n").encode()
    spec = TaskSpec(
        task_id=task_id,
        title=view.title,
        domain="real data",
        modality=view.modality,
        task_type=view.task_type,
        rule_family="real",
        noise_families=(),
        metric=MetricRecord(name=metric.name, direction=metric.direction),
        submission=split.form,
        rows=split.counts,
        dna={"rows": len(split.ids)},
        thresholds=_thresholds(board, split.counts.private_board),
        solutions=tuple(SolutionRecord(name=name, score=value, code_sha256="") for name, value in scores.items()),
        checks_passed=(),
        provenance=Provenance(
            generator_model=view.source,
            rng_seed=rng_seed,
            index=repeat,
            seed_id=view.seed_id,
            origin="real",
            prompt_sha256={},
            versions={},
            content_sha256={},
        ),
    )
    return TaskDraft(
        spec=spec,
        description=_description(split),
        public=public_files(split),
        private={"answers.csv": answers_file(split), "leaderboard.csv": board},
    )


def _thresholds(board: bytes, private_rows: int) -> ThresholdRecord:
    if private_rows < ROWS_FOR_MEDALS:
        return ThresholdRecord(gold=math.nan, silver=math.nan, bronze=math.nan, median=math.nan)
    rule = medal_rule(parse_board(board).column(1)).thresholds
    return ThresholdRecord(gold=rule.gold, silver=rule.silver, bronze=rule.bronze, median=rule.median)


def _description(split: Split) -> str:
    view, metric = split.view, METRICS[split.view.metric]
    better = "higher is better" if metric.direction is Direction.MAXIMIZE else "lower is better"
    payload = {
        "tabular": "Columns `c01` and following are measurements.",
        "text": "The column `text` holds a short English text.",
        "image": "The column `image` holds the path of a grey PNG below `data/`.",
    }[view.modality]
    classes = f" The classes are {', '.join(f'`{name}`' for name in split.classes)}." if split.classes else ""
    holds = {
        Prediction.VALUE: "a number",
        Prediction.LABEL: "one of the classes",
        Prediction.PROBABILITY: "probabilities" if len(split.classes) > 2 else "the probability of the second class",
    }[split.form.prediction]
    columns = ", ".join(f"`{name}`" for name in (split.form.id_column, *split.form.target_columns))
    test = split.counts.public_board + split.counts.private_board
    return (
        f"# {view.title}\n\n## Data\n\n`train.csv` has {split.counts.train} rows with the answer in `target`, "
        f"`test.csv` has {test} rows without. {payload}{classes}\n\n"
        f"## Metric\n\nSubmissions are scored by `{metric.name}`: {metric.summary}; {better}.\n\n"
        f"## Submission\n\nWrite `submission.csv` with the columns {columns} and one line for every row of `test.csv`; "
        f"it holds {holds}. `sample_submission.csv` shows the form.\n"
    )
