"""One small, sound task as the synthesizer would have drafted it, for suites and tests. Shipped to plugin authors."""

import hashlib
import random
from collections.abc import Sequence
from typing import Final

from sandmle.core.contracts.synthesis import Dossier
from sandmle.core.types.score import Direction, Prediction
from sandmle.core.types.synthesis import (
    ColumnPlan,
    Development,
    Evaluation,
    Evidence,
    ReferenceSolution,
    Seed,
    Strategy,
    TaskDraft,
    Writing,
)
from sandmle.core.types.task import (
    MetricRecord,
    Provenance,
    RowCounts,
    SolutionRecord,
    SubmissionFormat,
    TaskSpec,
    ThresholdRecord,
)

TASK_ID: Final = "sample-orchard"
TRAIN_ROWS, PUBLIC_ROWS, PRIVATE_ROWS = 80, 200, 1000
NOISE: Final = 0.15
SCORES: Final = {
    "oracle": 0.97,
    "blend": 0.95,
    "tuned-boosting": 0.93,
    "boosting": 0.91,
    "forest": 0.89,
    "linear": 0.86,
    "neighbours": 0.83,
    "tree": 0.8,
    "small-tree": 0.76,
    "stump": 0.72,
    "one-column": 0.66,
    "other-column": 0.6,
    "constant": 0.52,
}
"""Reference solution to its accuracy, best first."""

DESCRIPTION: Final = """# Ripe or not

An orchard wants to know which apples to pick. Each row is one apple.

- `apple_id`: number of the apple.
- `sugar`: sugar content, in degrees Brix.
- `firmness`: firmness, in kilograms.
- `ripe`: `yes` or `no`, to be predicted for every row of `data/test.csv`.

`data/train.csv` holds apples whose label is known, `data/test.csv` those to be predicted. Submissions are scored by the
metric `accuracy`: the share of apples whose label is right; higher is better. Write `submission.csv` with the columns
`apple_id` and `ripe`, as in `data/sample_submission.csv`.
"""

SEED: Final = Seed(
    seed_id="sample-fruit",
    title="Ripeness of fruit",
    modality="tabular",
    task_type="classification",
    metric="accuracy",
    dna={"rows": 150, "columns": 2, "numeric_columns": 2, "classes": 2, "majority_share": 0.5, "missing_share": 0.0},
    source="made for tests",
)

_STRATEGY: Final = Strategy(
    title="Ripe or not",
    domain="agriculture",
    scenario="An orchard wants to know which apples to pick this week; each row is one apple that was measured.",
    modality="tabular",
    task_type="classification",
    metric="accuracy",
    train_rows=TRAIN_ROWS,
    public_board_rows=PUBLIC_ROWS,
    private_board_rows=PRIVATE_ROWS,
    columns=(
        ColumnPlan(name="apple_id", kind="id", meaning="number of the apple"),
        ColumnPlan(name="sugar", kind="number", meaning="sugar content, in degrees Brix"),
        ColumnPlan(name="firmness", kind="number", meaning="firmness, in kilograms"),
        ColumnPlan(name="ripe", kind="target", meaning="whether it is ripe, yes or no"),
    ),
    rule_family="linear-threshold",
    hidden_rule="An apple is ripe when its sugar content minus its firmness is greater than 5.",
    noise_families=("gaussian",),
    noise="A normal deviate with standard deviation 0.15 is added to the difference before it is compared.",
)

_EVALUATION: Final = Evaluation(
    metric="accuracy",
    id_column="apple_id",
    target_columns=("ripe",),
    prediction=Prediction.LABEL,
    classes=("no", "yes"),
    solutions=tuple(
        ReferenceSolution(name=f"member-{number}", code="import pandas  # one member of the population")
        for number in range(8)
    ),
)


def sample_files() -> dict[str, bytes]:
    """What the generator script of the sample task writes: `public/...` and `private/...` to content."""
    rng = random.Random(0)
    rows = [_row(number, rng) for number in range(TRAIN_ROWS + PUBLIC_ROWS + PRIVATE_ROWS)]
    train, test = rows[:TRAIN_ROWS], rows[TRAIN_ROWS:]
    boards = ["public"] * PUBLIC_ROWS + ["private"] * PRIVATE_ROWS
    return {
        "public/train.csv": _csv("apple_id,sugar,firmness,ripe", train),
        "public/test.csv": _csv("apple_id,sugar,firmness", [row[:3] for row in test]),
        "public/sample_submission.csv": _csv("apple_id,ripe", [(row[0], "no") for row in test]),
        "private/answers.csv": _csv(
            "apple_id,ripe,board", [(row[0], row[3], board) for row, board in zip(test, boards, strict=True)]
        ),
        "private/oracle.csv": _csv("apple_id,ripe", [(row[0], _ripe(float(row[1]) - float(row[2]))) for row in test]),
    }


def sample_dossier(*, answered: bool = True) -> Dossier:
    """What a role is told of the sample draft.

    Args:
        answered: whether the four built-in roles have answered already, or none has.
    """
    if not answered:
        return Dossier(seed=SEED, index=0, rng_seed=7)
    script = "# Writes the files of the sample task.\n" + "\n".join(f"value_{n} = {n}" for n in range(20))
    return Dossier(
        seed=SEED,
        index=0,
        rng_seed=7,
        answers={
            "data-strategist": _STRATEGY,
            "ml-developer": Development(script=script),
            "mlops-engineer": _EVALUATION,
            "technical-writer": Writing(description=DESCRIPTION),
        },
        files=sample_files(),
    )


def sample_draft(task_id: str = TASK_ID) -> TaskDraft:
    """The sample task before it is checked; `sandmle.core.engine.tasks.write_task` makes a task directory of it."""
    board = "rank,score\n" + "".join(f"{rank},{score:.5f}\n" for rank, score in enumerate(SCORES.values(), start=1))
    files = {**sample_files(), "private/leaderboard.csv": board.encode()}
    return TaskDraft(
        spec=_spec(task_id),
        description=DESCRIPTION,
        public={name.removeprefix("public/"): content for name, content in files.items() if name.startswith("public/")},
        private={
            name.removeprefix("private/"): content for name, content in files.items() if name.startswith("private/")
        },
    )


def sample_evidence() -> Evidence:
    """What was measured about the sample draft: nothing in it is wrong."""
    return Evidence(
        strategy=_STRATEGY,
        rerun_sha256={name: hashlib.sha256(content).hexdigest() for name, content in sample_files().items()},
        scores={**SCORES, "sample-submission": 0.5},
        standard_errors={"gold-silver": 0.004, "silver-bronze": 0.004, "bronze-median": 0.005},
        agreement=0.94,
        leak_probes={"id": 0.0, "row-order": 0.0},
        accepted=(),
    )


def _spec(task_id: str) -> TaskSpec:
    return TaskSpec(
        task_id=task_id,
        title="Ripe or not",
        domain="agriculture",
        modality="tabular",
        task_type="classification",
        rule_family=_STRATEGY.rule_family,
        noise_families=_STRATEGY.noise_families,
        metric=MetricRecord(name="accuracy", direction=Direction.MAXIMIZE),
        submission=SubmissionFormat(
            id_column="apple_id", target_columns=("ripe",), prediction=Prediction.LABEL, classes=("no", "yes")
        ),
        rows=RowCounts(train=TRAIN_ROWS, public_board=PUBLIC_ROWS, private_board=PRIVATE_ROWS),
        dna=dict(SEED.dna),
        thresholds=ThresholdRecord(gold=0.95, silver=0.91, bronze=0.86, median=0.8),
        solutions=tuple(SolutionRecord(name=name, score=score, code_sha256="") for name, score in SCORES.items()),
        checks_passed=(),
        provenance=Provenance(
            generator_model="by hand",
            rng_seed=7,
            index=0,
            seed_id=SEED.seed_id,
            prompt_sha256={},
            versions={},
            content_sha256={},
        ),
    )


def _row(number: int, rng: random.Random) -> tuple[str, str, str, str]:
    sugar, firmness = rng.uniform(8, 16), rng.uniform(3, 11)
    return str(number), f"{sugar:.2f}", f"{firmness:.2f}", _ripe(sugar - firmness + rng.gauss(0, NOISE))


def _ripe(difference: float) -> str:
    return "yes" if difference > 5 else "no"


def _csv(header: str, rows: Sequence[Sequence[str]]) -> bytes:
    return "\n".join([header, *(",".join(row) for row in rows), ""]).encode()
