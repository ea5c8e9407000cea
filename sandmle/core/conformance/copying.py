"""A task for what is about something else: its answer stands in its data. Shipped to plugin authors."""

from collections.abc import Iterable
from typing import Final

from sandmle.core.types.score import Direction, Prediction
from sandmle.core.types.synthesis import TaskDraft
from sandmle.core.types.task import (
    MetricRecord,
    Provenance,
    RowCounts,
    SubmissionFormat,
    TaskSpec,
    ThresholdRecord,
)

BOARDS: Final = ("private", "public")
"""Of even rows and of odd ones."""


def copying_draft(
    task_id: str = "copy", *, test_rows: int = 20, train_rows: int = 50, description: str = "Copy x to y."
) -> TaskDraft:
    """A task of regression: in row `n`, `x` and `y` are `n`. A root mean squared error below 0.1 is gold.

    Args:
        task_id: of the task.
        test_rows: half of them on either board; an even number.
        train_rows: numbered after the test rows.
        description: what the agent reads.
    """
    tested, known = range(test_rows), range(test_rows, test_rows + train_rows)
    return TaskDraft(
        spec=_spec(task_id, test_rows, train_rows),
        description=description,
        public={
            "train.csv": _csv("id,x,y", (f"{row},{row},{row}" for row in known)),
            "test.csv": _csv("id,x", (f"{row},{row}" for row in tested)),
            "sample_submission.csv": _csv("id,y", (f"{row},0" for row in tested)),
        },
        private={
            "answers.csv": _csv("id,y,board", (f"{row},{row},{BOARDS[row % 2]}" for row in tested)),
            "leaderboard.csv": _csv("rank,score", (f"{rank},{rank / 10}" for rank in range(1, 10))),
        },
    )


def _spec(task_id: str, test_rows: int, train_rows: int) -> TaskSpec:
    return TaskSpec(
        task_id=task_id,
        title="Copy the number",
        domain="samples",
        modality="tabular",
        task_type="regression",
        rule_family="identity",
        noise_families=("none",),
        metric=MetricRecord(name="rmse", direction=Direction.MINIMIZE),
        submission=SubmissionFormat(id_column="id", target_columns=("y",), prediction=Prediction.VALUE),
        rows=RowCounts(train=train_rows, public_board=test_rows // 2, private_board=test_rows // 2),
        dna={},
        thresholds=ThresholdRecord(gold=0.1, silver=0.2, bronze=0.4, median=0.5),
        solutions=(),
        checks_passed=(),
        provenance=Provenance(
            generator_model="by hand",
            rng_seed=0,
            index=0,
            seed_id="none",
            prompt_sha256={},
            versions={},
            content_sha256={},
        ),
    )


def _csv(header: str, rows: Iterable[str]) -> bytes:
    return "\n".join([header, *rows, ""]).encode()
