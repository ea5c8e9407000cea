"""Small tables, texts and pictures with a rule each, as folders of public files."""

import csv
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from sandmle.core.engine.tasks import Task, write_task
from sandmle.core.types.score import Direction, Prediction
from sandmle.core.types.synthesis import TaskDraft
from sandmle.core.types.task import MetricRecord, Provenance, RowCounts, SubmissionFormat, TaskSpec, ThresholdRecord

TRAIN, TEST = 90, 45
Rows = list[tuple[list[str], str]]


def _numbers(rng: random.Random, *, gaps: bool = False, classes: bool = False) -> tuple[list[str], str]:
    cells = [rng.uniform(-1, 1) for _ in range(4)]
    signal = cells[0] * cells[1] + 0.3 * cells[2] + rng.gauss(0, 0.05)
    shown = ["" if gaps and rng.random() < 0.15 else f"{cell + 2:.3f}" for cell in cells]
    return shown, ("high" if signal > 0 else "low") if classes else f"{signal + 3:.4f}"


def _text(rng: random.Random) -> tuple[list[str], str]:
    amount = rng.randint(1, 20)
    words = [rng.choice(("clean", "loose", "valve", "again", "noted")) for _ in range(6)]
    return [" ".join([*words, str(amount), "boxes"])], str(3 * amount + rng.randint(0, 2))


def _picture(rng: random.Random) -> tuple[list[str], str]:
    return [""], rng.choice(("dark", "light"))


def _rows(kind: str, rng: random.Random) -> tuple[list[str], Rows]:
    draw: dict[str, tuple[list[str], Callable[[], tuple[list[str], str]]]] = {
        "values": (["a", "b", "c", "d"], lambda: _numbers(rng)),
        "gaps": (["a", "b", "c", "d"], lambda: _numbers(rng, gaps=True)),
        "classes": (["a", "b", "c", "d"], lambda: _numbers(rng, classes=True)),
        "texts": (["text"], lambda: _text(rng)),
        "images": (["image"], lambda: _picture(rng)),
    }
    header, one = draw[kind]
    return header, [one() for _ in range(TRAIN + TEST)]


def write_public(folder: Path, kind: str) -> Path:
    """A folder `data` with train, test and sample_submission; ids and target have names of their own."""
    rng = random.Random(kind)
    header, rows = _rows(kind, rng)
    data = folder / "data"
    (data / "images").mkdir(parents=True)
    ids = rng.sample(range(1000, 9999), len(rows))
    if kind == "images":
        for number, (cells, label) in zip(ids, rows, strict=True):
            cells[0] = f"images/{number}.png"
            grey = 90 if label == "dark" else 160
            picture = Image.new("L", (8, 8))
            picture.putdata([max(0, min(255, round(rng.gauss(grey, 20)))) for _ in range(64)])
            picture.save(data / cells[0])
    lines = [[str(number), *cells, target] for number, (cells, target) in zip(ids, rows, strict=True)]
    tables = {
        "train": [["row_id", *header, "answer"], *lines[:TRAIN]],
        "test": [["row_id", *header], *[line[:-1] for line in lines[TRAIN:]]],
        "sample_submission": [["row_id", "answer"], *[[line[0], lines[0][-1]] for line in lines[TRAIN:]]],
    }
    for name, table in tables.items():
        with (data / f"{name}.csv").open("w", newline="") as file:
            csv.writer(file).writerows(table)
    return folder


@pytest.fixture(scope="session")
def public(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    made: dict[str, Path] = {}

    def of(kind: str) -> Path:
        if kind not in made:
            made[kind] = write_public(tmp_path_factory.mktemp(kind), kind)
        return made[kind]

    return of


def write_parabola(folder: Path) -> Task:
    rng = random.Random(3)
    drawn = [(f"{rng.uniform(-1, 1):.4f}", f"{rng.uniform(-1, 1):.4f}") for _ in range(160)]
    rows = [f"{at},{a},{b},{float(a) ** 2 + 0.2 * float(b):.4f}" for at, (a, b) in enumerate(drawn, 100)]
    test = rows[80:]
    parts = {
        "train.csv": ["row_id,a,b,y", *rows[:80]],
        "test.csv": ["row_id,a,b", *[row.rpartition(",")[0] for row in test]],
        "sample_submission.csv": ["row_id,y", *[f"{row.split(',')[0]},0.3" for row in test]],
    }
    graded = [f"{row.split(',')[0]},{row.rpartition(',')[2]}" for row in test]
    answers = [f"{row},{'public' if at < 20 else 'private'}" for at, row in enumerate(graded)]
    spec = TaskSpec(
        task_id="parabola",
        title="Parabola",
        domain="tests",
        modality="tabular",
        task_type="regression",
        rule_family="square",
        noise_families=(),
        metric=MetricRecord(name="rmse", direction=Direction.MINIMIZE),
        submission=SubmissionFormat(id_column="row_id", target_columns=("y",), prediction=Prediction.VALUE),
        rows=RowCounts(train=80, public_board=20, private_board=60),
        dna={},
        thresholds=ThresholdRecord(gold=0.05, silver=0.07, bronze=0.1, median=0.2),
        solutions=(),
        checks_passed=(),
        provenance=Provenance(
            generator_model="-", rng_seed=0, index=0, seed_id="-", prompt_sha256={}, versions={}, content_sha256={}
        ),
    )
    draft = TaskDraft(
        spec=spec,
        description="## Metric\n\nrmse",
        public={name: ("\n".join(lines) + "\n").encode() for name, lines in parts.items()},
        private={
            "answers.csv": ("\n".join(["row_id,y,board", *answers]) + "\n").encode(),
            "leaderboard.csv": b"rank,score\n1,0.05\n2,0.3\n",
        },
    )
    return write_task(folder, draft)


@pytest.fixture
def parabola(tmp_path: Path) -> Task:
    """A task directory in which squares earn gold and plain columns nothing, alone in `tasks`."""
    return write_parabola(tmp_path / "tasks")
