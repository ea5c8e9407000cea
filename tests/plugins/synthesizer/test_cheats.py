"""Every cheat on a clean draft, and on one that has exactly the leak it looks for."""

import os
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sandmle.core.types.score import Prediction
from sandmle.core.types.synthesis import Strategy
from sandmle.core.types.task import SubmissionFormat
from sandmle.plugins.synthesizer.cheats import NAMES, Victim, play_cheats, program
from sandmle.plugins.synthesizer.scratch import public_folder
from sandmle.plugins.synthesizer.tables import FaultError, parse_table
from tests.loopback.doors import STRATEGY

pytestmark = pytest.mark.asyncio(loop_scope="session")

Row = dict[str, str]
N_TRAIN, N_TEST = 120, 1200


@dataclass
class Rows:
    """The tables of a draft as rows that a test changes; `truth` is of the test rows."""

    train: list[Row]
    test: list[Row]
    truth: list[str]
    board: list[str]
    sample: list[str]
    media: dict[str, bytes]

    def every(self) -> list[tuple[Row, str]]:
        """All rows of both tables with their targets."""
        known = [(row, row["minutes"]) for row in self.train]
        return [*known, *zip(self.test, self.truth, strict=True)]

    def files(self) -> dict[str, bytes]:
        header = list(self.train[0])
        features = [name for name in header if name != "minutes"]
        ids = [row["door_id"] for row in self.test]
        return {
            "public/train.csv": _csv(header, [[row[name] for name in header] for row in self.train]),
            "public/test.csv": _csv(features, [[row[name] for name in features] for row in self.test]),
            "public/sample_submission.csv": _csv(["door_id", "minutes"], zip(ids, self.sample, strict=True)),
            "private/answers.csv": _csv(["door_id", "minutes", "board"], zip(ids, self.truth, self.board, strict=True)),
            **self.media,
        }


def _csv(header: Sequence[str], rows: Any) -> bytes:
    return "\n".join(",".join(row) for row in [header, *rows]).encode() + b"\n"


@pytest.fixture
def rows(accepted) -> Rows:
    task, _ = accepted
    files = {f"public/{name}": content for name, content in task.public.items()}
    files["private/answers.csv"] = task.private["answers.csv"]

    def read(path: str) -> list[Row]:
        table = parse_table(files, path)
        return [dict(zip(table.header, row, strict=True)) for row in table.rows]

    answers = read("private/answers.csv")
    return Rows(
        train=read("public/train.csv"),
        test=read("public/test.csv"),
        truth=[row["minutes"] for row in answers],
        board=[row["board"] for row in answers],
        sample=[row["minutes"] for row in read("public/sample_submission.csv")],
        media={},
    )


VALUE = SubmissionFormat(id_column="door_id", target_columns=("minutes",), prediction=Prediction.VALUE)


def victim(files: dict[str, bytes], strategy: dict[str, Any] | None = None, form: SubmissionFormat = VALUE) -> Victim:
    return Victim(
        strategy=Strategy.model_validate(strategy or STRATEGY),
        form=form,
        answers=files["private/answers.csv"],
        sample=files["public/sample_submission.csv"],
    )


@pytest.fixture
def medals(stage, accepted) -> Callable[..., Any]:
    """Cheats that win a medal of the clean draft's board on other rows."""

    async def play(changed: Rows, tamper: Callable[[Path], None] = lambda public: None) -> set[str]:
        files = changed.files()
        with public_folder(files) as public:
            tamper(public)
            scores = await play_cheats(public, victim(files), stage.sandbox, stage.grader, 60)
        return {name for name, score in scores.items() if score <= accepted[0].spec.thresholds.bronze}

    return play


def ids_tell(rows: Rows) -> None:
    for at, (row, target) in enumerate(rows.every()):
        row["door_id"] = f"d{10_000_000_000 + round(float(target) * 10_000) * 2000 + at}"


def ids_rise_with_the_target(rows: Rows) -> None:
    # A scrambling that keeps the order: only the place among all ids tells.
    order = sorted(range(N_TEST), key=lambda at: float(rows.truth[at]))
    for place, at in enumerate(order):
        rows.test[at]["door_id"] = str(900_000 + place * place)


def rows_are_sorted(rows: Rows) -> None:
    order = sorted(range(N_TEST), key=lambda at: -float(rows.truth[at]))
    for name in ("test", "truth", "board"):
        setattr(rows, name, [getattr(rows, name)[at] for at in order])


def train_repeats_test(rows: Rows) -> None:
    for at, row in enumerate(rows.test):
        twin = rows.train[at % N_TRAIN]
        row.update({name: twin[name] for name in ("film", "humidity", "wood")})
        rows.truth[at] = twin["minutes"]


def last_digits_tell(rows: Rows) -> None:
    ranked = sorted(float(target) for _, target in rows.every())
    for row, target in rows.every():
        row["film"] = f"{float(row['film']):.4f}{ranked.index(float(target)):04d}"


def blanks_tell(rows: Rows) -> None:
    ranked = sorted(float(target) for _, target in rows.every())
    for row, target in rows.every():
        row["wood"] += " " * (ranked.index(float(target)) * 40 // len(ranked))


def the_sample_tells(rows: Rows) -> None:
    rows.sample = list(rows.truth)


def a_file_tells(rows: Rows) -> None:
    pairs = ((row["door_id"], target) for row, target in zip(rows.test, rows.truth, strict=True))
    rows.media["public/notes/readme.txt"] = _csv(["door", "told"], pairs)


def test_rows_are_all_alike(rows: Rows) -> None:
    # Unlike train's: one guess too many at the public board tells it all.
    low = sorted(float(row["minutes"]) for row in rows.train)[2]
    rows.truth = [f"{low + at % 3 * 0.001:.4f}" for at in range(N_TEST)]


def what_is_usual_is_all_there_is(rows: Rows) -> None:
    middle = sum(float(row["minutes"]) for row in rows.train) / N_TRAIN
    rows.truth = [f"{middle + at % 3 * 0.001:.4f}" for at in range(N_TEST)]


test_rows_are_all_alike.__test__ = False  # type: ignore[attr-defined]


async def test_no_cheat_wins_a_medal_on_a_clean_draft(rows, medals, accepted) -> None:
    assert await medals(rows) == set()
    # There are no files to have times, and none in reach that tell anything.
    assert set(accepted[1].cheats) == set(NAMES) - {"search", "file-times"}


@pytest.mark.parametrize(
    ("leak", "cheats"),
    [
        (ids_tell, {"ids"}),
        (ids_rise_with_the_target, {"ids"}),
        (rows_are_sorted, {"row-order"}),
        (train_repeats_test, {"duplicates"}),
        (last_digits_tell, {"hidden-marks"}),
        (blanks_tell, {"hidden-marks"}),
        (the_sample_tells, {"sample-submission"}),
        (a_file_tells, {"search"}),
        (test_rows_are_all_alike, {"public-board"}),
        (what_is_usual_is_all_there_is, {"constant"}),
    ],
)
async def test_the_cheat_that_looks_for_a_leak_finds_exactly_that(rows, medals, leak, cheats) -> None:
    leak(rows)
    found = await medals(rows)
    assert found >= cheats
    # Where everything is the same, whoever predicts about that is right.
    assert found == cheats or leak in (test_rows_are_all_alike, what_is_usual_is_all_there_is)


async def test_times_of_files_that_tell_are_found_and_those_of_tasks_never_tell(rows, medals) -> None:
    targets = {}
    for at, (row, target) in enumerate(rows.every()):
        row["wood"] = f"p/{at}.png"
        rows.media[f"public/p/{at}.png"] = b"picture"
        targets[f"p/{at}.png"] = float(target)

    def stamp(public: Path) -> None:
        for path, target in targets.items():
            os.utime(public / path, ns=(0, 10**15 + int(target * 10**9)))

    assert await medals(rows, stamp) == {"file-times"}
    assert await medals(rows) == set()


@pytest.mark.parametrize("hide", ["behind the end", "in a comment", "in the last bits"])
async def test_what_pictures_hold_beyond_the_picture_is_found(rows, medals, hide: str) -> None:
    import io

    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    ranked = sorted(float(target) for _, target in rows.every())
    rng = random.Random(0)
    for at, (row, target) in enumerate(rows.every()):
        place, notes = ranked.index(float(target)), PngInfo()
        pixels = bytearray(rng.randrange(256) for _ in range(64))
        if hide == "in a comment":
            notes.add_text("note", chr(40 + place // 60) + chr(40 + place % 60))
        if hide == "in the last bits":
            for bit in range(11):
                pixels[bit] = pixels[bit] & 254 | place >> bit & 1
        file = io.BytesIO()
        Image.frombytes("L", (8, 8), bytes(pixels)).save(file, "PNG", pnginfo=notes)
        row["wood"] = f"p/{at}.png"
        behind = place.to_bytes(2, "big") if hide == "behind the end" else b""
        rows.media[f"public/p/{at}.png"] = file.getvalue() + behind
    assert await medals(rows) == {"hidden-marks"}


async def test_labels_are_cheated_for_as_well(rows, stage) -> None:
    """Classes, as labels and as probabilities: an id that tells the class wins everything."""
    columns = [{**one, "kind": "target"} if one["name"] == "minutes" else one for one in STRATEGY["columns"]]
    for row, target in rows.every():
        row["door_id"] = f"{row['door_id']}{'ab'[float(target) > 40]}"
    for row in rows.train:
        row["minutes"] = "slow" if float(row["minutes"]) > 40 else "fast"
    rows.truth = ["slow" if float(target) > 40 else "fast" for target in rows.truth]
    for metric, prediction in (("accuracy", Prediction.LABEL), ("roc_auc", Prediction.PROBABILITY)):
        rows.sample = ["fast" if prediction is Prediction.LABEL else "0.5"] * N_TEST
        files = rows.files()
        form = VALUE.model_copy(update={"prediction": prediction, "classes": ("fast", "slow")})
        plan = {**STRATEGY, "columns": columns, "task_type": "classification", "metric": metric}
        with public_folder(files) as public:
            scores = await play_cheats(public, victim(files, plan, form), stage.sandbox, stage.grader, 60)
        assert scores["ids"] == 1.0
        usual = max(rows.truth.count(label) for label in ("fast", "slow")) / N_TEST
        most = 0.6 if prediction is Prediction.PROBABILITY else usual + 0.05
        assert all(score < most for name, score in scores.items() if name != "ids")


async def test_files_that_a_cheat_cannot_read_are_the_draft_s_fault(rows, stage) -> None:
    files = {**rows.files(), "public/test.csv": b"\xff\xfe\x00"}
    with public_folder(files) as public, pytest.raises(FaultError, match="the cheat 'search' cannot be played"):
        await play_cheats(public, victim(files), stage.sandbox, stage.grader, 60)


async def test_what_is_sent_into_the_sandbox_imports_nothing_of_ours() -> None:
    assert "sandmle" not in "".join(line for line in program().splitlines() if "import" in line)
