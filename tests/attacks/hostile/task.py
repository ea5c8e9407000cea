"""The task of the whole episodes: copy the number. The answer to row `n` is `n`."""

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

ROWS = 20


def easy_task() -> TaskDraft:
    """Ten rows on each board, gold for an error below 0.1."""
    half = ROWS // 2
    spec = TaskSpec(
        task_id="copy",
        title="Copy the number",
        domain="tests",
        modality="tabular",
        task_type="regression",
        rule_family="identity",
        noise_families=("none",),
        metric=MetricRecord(name="rmse", direction=Direction.MINIMIZE),
        submission=SubmissionFormat(id_column="id", target_columns=("y",), prediction=Prediction.VALUE),
        rows=RowCounts(train=50, public_board=half, private_board=half),
        dna={},
        thresholds=ThresholdRecord(gold=0.1, silver=0.2, bronze=0.4, median=0.5),
        solutions=(),
        checks_passed=(),
        provenance=Provenance(
            generator_model="by hand", rng_seed=0, index=0, seed_id="none", prompt_sha256={}, versions={},
            content_sha256={},
        ),
    )  # fmt: skip
    answers = "".join(f"{row},{row},{('private', 'public')[row % 2]}\n" for row in range(ROWS))
    board = "".join(f"{rank},{rank / 10}\n" for rank in range(1, 10))
    public = {
        "train.csv": "id,x,y\n" + "".join(f"{row},{row},{row}\n" for row in range(100, 150)),
        "test.csv": "id,x\n" + "".join(f"{row},{row}\n" for row in range(ROWS)),
        "sample_submission.csv": "id,y\n" + "".join(f"{row},0\n" for row in range(ROWS)),
    }
    private = {"answers.csv": "id,y,board\n" + answers, "leaderboard.csv": "rank,score\n" + board}
    return TaskDraft(
        spec=spec,
        description="Copy x to y.",
        public={name: text.encode() for name, text in public.items()},
        private={name: text.encode() for name, text in private.items()},
    )
