"""Small tables, texts and pictures with a rule each, as folders of public files."""

import csv
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

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
