"""Task directories written by hand, of every metric and form of submission, and submissions for them."""

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandmle.core.conformance.copying import copying_draft
from sandmle.core.engine.tasks import write_task as write_draft
from sandmle.core.types.metrics import METRICS
from sandmle.core.types.score import Direction, Prediction
from sandmle.core.types.synthesis import TaskDraft
from sandmle.core.types.task import MetricRecord, RowCounts, SubmissionFormat, ThresholdRecord


@dataclass(frozen=True)
class Kind:
    """What a hand-written task is scored by, and what its answers hold."""

    metric: str
    classes: tuple[str, ...] = ()
    targets: tuple[str, ...] = ("target",)

    @property
    def prediction(self) -> Prediction:
        return METRICS[self.metric].prediction


COLOURS = ("blue", "green", "red")
VALUE_METRICS = (
    "rmse",
    "mae",
    "rmsle",
    "r2",
    "spearman",
    "median_ae",
    "mape",
    "smape",
    "pearson",
    "ndcg",
    "kendall_tau",
)
LABEL_METRICS = ("accuracy", "balanced_accuracy", "f1_macro", "f1_weighted", "mcc")
LABELS_METRICS = ("mean_roc_auc", "mean_average_precision", "label_log_loss", "f1_labels", "hamming_loss")
KINDS = (
    *(Kind(metric) for metric in VALUE_METRICS),
    *(Kind(metric, COLOURS) for metric in LABEL_METRICS),
    Kind("qwk", ("1", "10", "2")),
    *(Kind(metric, ("no", "yes")) for metric in ("roc_auc", "average_precision", "log_loss")),
    *(Kind(metric, COLOURS, COLOURS) for metric in ("log_loss", "brier")),
    Kind("accuracy", ("False", "True")),
    *(Kind(metric, targets=("sour", "sweet")) for metric in LABELS_METRICS),
    Kind("rmse", targets=("height", "width")),
)
"""Every metric, and every form of labels and probabilities."""
ROWS = 24
PATTERN = (0, 1, 1, 0, 2, 0, 1, 2, 2, 1, 0, 0, 2, 1, 2, 0, 1, 0, 0, 2, 1, 2, 1, 1)
"""Classes by row, so that both boards have all of them."""


def truth_of(kind: Kind, row: int, column: int = 0) -> str:
    if kind.prediction is Prediction.LABELS:
        return str((PATTERN[row] + column) % 3 % 2)
    return kind.classes[PATTERN[row] % len(kind.classes)] if kind.classes else repr(0.5 + (row * 37 % 11) / 7 + column)


def answers_of(kind: Kind) -> bytes:
    columns = ("target",) if kind.classes and len(kind.targets) > 1 else kind.targets
    lines_ = [",".join(["row_id", *columns, "board"])]
    for row in range(ROWS):
        truth = [truth_of(kind, row, at) for at in range(len(columns))]
        lines_.append(",".join([str(100 + row), *truth, "public" if row % 3 == 0 else "private"]))
    return ("\n".join(lines_) + "\n").encode()


def submission(kind: Kind, noise: float, rng_seed: int = 0) -> bytes:
    """A valid submission whose predictions are wrong the more, the more noise there is."""
    rng = random.Random(f"{rng_seed}/{kind}")
    lines_ = [",".join(("row_id", *kind.targets))]
    for row in rng.sample(range(ROWS), ROWS):
        lines_.append(",".join([str(100 + row), *_cells(kind, row, noise, rng)]))
    return ("\n".join(lines_) + "\n").encode()


def _cells(kind: Kind, row: int, noise: float, rng: random.Random) -> list[str]:
    truth = [truth_of(kind, row, at) for at in range(len(kind.targets))]
    if kind.prediction is Prediction.VALUE:
        return [repr(abs(float(value) + rng.gauss(0, 1) * noise)) for value in truth]
    if kind.prediction is Prediction.LABEL:
        return [rng.choice(kind.classes) if rng.random() < noise else truth[0]]
    if kind.prediction is Prediction.LABELS:
        return [_chance(value == "1", rng.uniform(-1, 1) * noise) for value in truth]
    if len(kind.targets) == 1:
        return [_chance(truth[0] == kind.classes[1], rng.uniform(-1, 1) * noise)]
    return [_chance(truth[0] == name, rng.random() * noise / 3) for name in kind.targets]


def _chance(holds: bool, shift: float) -> str:
    return repr(min(1.0, max(0.0, holds + shift)))


def write_task(folder: Path, kind: Kind, task_id: str, *, modality: str = "tabular", **parts: Any) -> Path:
    """A task directory with a board of twenty scores. `parts`: answers, board or classes of another kind."""
    direction = METRICS[kind.metric].direction
    best, step = (0.999, -0.05) if direction is Direction.MAXIMIZE else (0.001, 0.11)
    board = parts.get("board") or "rank,score\n" + "".join(
        f"{place + 1},{best + step * place:.5f}\n" for place in range(20)
    )
    scores = [float(line.split(",")[1]) for line in board.split()[1:]]
    task_type = "classification" if kind.classes else "regression"
    changes = {
        "title": f"Guess the {task_id}: 'quoted'",
        "modality": modality,
        "task_type": "multilabel" if kind.prediction is Prediction.LABELS else task_type,
        "metric": MetricRecord(name=kind.metric, direction=direction),
        "submission": SubmissionFormat(
            id_column="row_id",
            target_columns=kind.targets,
            prediction=kind.prediction,
            classes=parts.get("classes", kind.classes),
        ),
        "rows": RowCounts(train=3, public_board=8, private_board=16),
        "thresholds": parts.get("thresholds")
        or ThresholdRecord(gold=scores[1], silver=scores[3], bronze=scores[7], median=(scores[9] + scores[10]) / 2),
    }
    spec = copying_draft(task_id).spec.model_copy(update=changes)
    test = "row_id,weight\n" + "".join(f"{100 + row},{row}\n" for row in range(ROWS))
    public = {
        "train.csv": b"row_id,weight,target\n1,2,3\n",
        "test.csv": test.encode(),
        "sample_submission.csv": submission(kind, 0.9),
        **({"images/100.png": b"png"} if modality == "image" else {}),
    }
    private = {"answers.csv": parts.get("answers") or answers_of(kind), "leaderboard.csv": board.encode()}
    draft = TaskDraft(spec=spec, description=f"# {task_id}\n\nGuess it.\n", public=public, private=private)
    return write_draft(folder, draft).layout.root


def write_all(folder: Path, *kinds: Kind) -> Path:
    """A folder with a task of every kind, or of those given."""
    for number, kind in enumerate(kinds or KINDS):
        modality = ("tabular", "text", "image")[number % 3]
        write_task(folder, kind, f"task-{number:02d}-{kind.metric.replace('_', '-')}", modality=modality)
    return folder
