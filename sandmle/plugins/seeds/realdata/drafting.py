"""A split written as a task: its board, its thresholds, its description."""

import math
from importlib.metadata import version
from typing import Final

from sandmle.core.engine.board_csv import parse_board
from sandmle.core.engine.boards import SCORE_DECIMALS, medal_rule
from sandmle.core.types.metrics import METRICS
from sandmle.core.types.score import Direction, Prediction
from sandmle.core.types.synthesis import TaskDraft
from sandmle.core.types.task import MetricRecord, Provenance, SolutionRecord, TaskSpec, ThresholdRecord
from sandmle.plugins.seeds.realdata.references import reference_scores
from sandmle.plugins.seeds.realdata.rows import Split, answers_file, public_files

PROTOCOL: Final = "2"
"""Version of how splits and boards are made; stands in `task.toml` as the version of `realdata`."""
ROWS_FOR_MEDALS: Final = 100
"""Private test rows below which a medal would be chance: then thresholds are NaN and HumanRank alone is given."""


def draft_of(split: Split, task_id: str, rng_seed: int, repeat: int, about: str = "") -> TaskDraft:
    """The task of a split, its population fitted.

    Args:
        split: the rows.
        task_id: what the task is called.
        rng_seed: what decided the splits.
        repeat: which of the splits it is.
        about: what a person wrote about the data.
    """
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
            versions={"realdata": PROTOCOL, "scikit-learn": version("scikit-learn")},
            content_sha256={},
        ),
    )
    return TaskDraft(
        spec=spec,
        description=_description(split, about),
        public=public_files(split),
        private={"answers.csv": answers_file(split), "leaderboard.csv": board},
    )


def _thresholds(board: bytes, private_rows: int) -> ThresholdRecord:
    if private_rows < ROWS_FOR_MEDALS:
        return ThresholdRecord(gold=math.nan, silver=math.nan, bronze=math.nan, median=math.nan)
    rule = medal_rule(parse_board(board).column(1)).thresholds
    return ThresholdRecord(gold=rule.gold, silver=rule.silver, bronze=rule.bronze, median=rule.median)


def _description(split: Split, about: str) -> str:
    view, metric = split.view, METRICS[split.view.metric]
    better = "higher is better" if metric.direction is Direction.MAXIMIZE else "lower is better"
    about = f"{about.strip()}\n\n" if about.strip() else ""
    own = ", ".join(f"`{name}`" for name in split.header or ())
    payload = {
        "tabular": f"Its columns are {own}." if own else "Columns `c01` and following are measurements.",
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
        f"# {view.title}\n\n{about}## Data\n\n"
        f"`train.csv` has {split.counts.train} rows with the answer in `{split.target_column}`, "
        f"`test.csv` has {test} rows without. {payload}{classes}\n\n"
        f"## Metric\n\nSubmissions are scored by `{metric.name}`: {metric.summary}; {better}.\n\n"
        f"## Submission\n\nWrite `submission.csv` with the columns {columns} and one line for every row of `test.csv`; "
        f"it holds {holds}. `sample_submission.csv` shows the form.\n"
    )
