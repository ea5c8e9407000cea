"""One split of one data set: who is a training row, what the files hold, what the answers are."""

import csv
import io
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from sandmle.core.types.metrics import METRICS
from sandmle.core.types.score import Prediction
from sandmle.core.types.task import RowCounts, SubmissionFormat
from sandmle.plugins.seeds.builtin import View

MAX_TRAIN: Final = 200
TRAIN_SHARE: Final = 0.55
"""Of the rows, where that is fewer than `MAX_TRAIN`."""
PUBLIC_SHARE: Final = 0.2
"""Of the test rows, for the public board."""
MAX_TEST: Final = 900
"""Test rows: more would only make images slow."""
FEWEST_ROWS: Final = 40
"""A data set with fewer leaves too few rows to tell anybody apart."""
LEAST_OF_A_CLASS: Final = 5
"""Training rows of every class."""

TRIES: Final = 50
"""Draws of the training rows, before rows of rare classes are put among them on purpose."""

ID, TARGET, TEXT, IMAGE = "id", "target", "text", "image"


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Rows in the order of the files: training rows first, then test rows."""

    view: View
    ids: tuple[int, ...]
    data: Any
    """(rows, columns) or (rows, side, side) array, a list of texts, or with a `header` a list of rows of cells."""
    target: tuple[str, ...]
    """As written in the files."""
    counts: RowCounts
    private: npt.NDArray[np.bool_]
    """(test rows,): who grades."""
    header: tuple[str, ...] | None = None
    """Names of the columns, where the rows are cells as a user's file has them."""
    id_column: str = ID
    target_column: str = TARGET

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names, sorted; empty for values."""
        return tuple(sorted(set(self.target))) if self.view.task_type == "classification" else ()

    @property
    def form(self) -> SubmissionFormat:
        prediction = METRICS[self.view.metric].prediction
        several = prediction is Prediction.PROBABILITY and len(self.classes) > 2
        return SubmissionFormat(
            id_column=self.id_column,
            target_columns=self.classes if several else (self.target_column,),
            prediction=prediction,
            classes=self.classes,
        )


def split_rows(view: View, data: Any, target: npt.NDArray[Any], rng_seed: str, **columns: Any) -> Split:
    """Draw one split; the same arguments give the same one.

    Args:
        view: what is asked of the data.
        data: see `Split.data`.
        target: (rows,) classes, values, or text as it is to be written.
        rng_seed: names the random stream.
        columns: `header`, `id_column` and `target_column` of a user's table.
    """
    rng = random.Random(rng_seed)
    rows = _distinct(view, data)
    train = min(MAX_TRAIN, round(TRAIN_SHARE * len(rows)))
    test = min(MAX_TEST, len(rows) - train)
    public = round(PUBLIC_SHARE * test)
    written = _written(view, target)
    order = _order(rows, written, train, rng, classes=view.task_type == "classification")[: train + test]
    private = np.zeros(test, dtype=bool)
    private[rng.sample(range(test), test - public)] = True
    as_list = view.modality == "text" or columns
    return Split(
        view=view,
        ids=tuple(rng.sample(range(100_000, 1_000_000), len(order))),
        data=[data[at] for at in order] if as_list else np.asarray(data)[order],
        target=tuple(written[at] for at in order),
        counts=RowCounts(train=train, public_board=public, private_board=test - public),
        private=private,
        **columns,
    )


def _distinct(view: View, data: Any) -> list[int]:
    """Rows whose features no earlier row has: a copy in the training rows would give its answer away."""
    keys = [one if isinstance(one, str | tuple) else np.asarray(one).tobytes() for one in data]
    return sorted({key: at for at, key in reversed(list(enumerate(keys)))}.values())


def _order(rows: Sequence[int], written: Sequence[str], train: int, rng: random.Random, *, classes: bool) -> list[int]:
    order = list(rows)
    for _ in range(TRIES):
        rng.shuffle(order)
        known = Counter(written[at] for at in order[:train])
        if not classes or min(known[name] for name in set(written)) >= LEAST_OF_A_CLASS:
            return order
    # A rare class seldom falls among so few rows by chance: its first rows go to the front, and the rest as drawn.
    seen: Counter[str] = Counter()
    front: list[int] = []
    rest: list[int] = []
    for at in order:
        seen[written[at]] += 1
        (front if seen[written[at]] <= LEAST_OF_A_CLASS else rest).append(at)
    known_rows = front + rest[: train - len(front)]
    rng.shuffle(known_rows)
    return known_rows + rest[train - len(front) :]


def _written(view: View, target: npt.NDArray[Any]) -> list[str]:
    if target.dtype.kind == "U":
        return [str(value) for value in target.tolist()]
    if view.task_type == "regression":
        return [f"{float(value):.6g}" for value in target]
    if view.metric == "qwk":
        return [str(int(value)) for value in target]
    return [f"class_{int(value)}" for value in target.tolist()]


def public_files(split: Split) -> dict[str, bytes]:
    """The files the agent sees, by path below `public/`."""
    train = split.counts.train
    header, cells, files = _features(split)
    rows = [[str(number), *line] for number, line in zip(split.ids, cells, strict=True)]
    known = [[*row, answer] for row, answer in zip(rows[:train], split.target[:train], strict=True)]
    return {
        "train.csv": _csv([[split.id_column, *header, split.target_column], *known]),
        "test.csv": _csv([[split.id_column, *header], *rows[train:]]),
        "sample_submission.csv": _csv(
            [
                [split.id_column, *split.form.target_columns],
                *[[str(number), *_usual(split)] for number in split.ids[train:]],
            ]
        ),
        **files,
    }


def answers_file(split: Split) -> bytes:
    """`private/answers.csv`."""
    rows = zip(split.ids[split.counts.train :], split.target[split.counts.train :], split.private, strict=True)
    head = [split.id_column, split.target_column, "board"]
    return _csv([head, *[[str(at), value, "private" if own else "public"] for at, value, own in rows]])


def _features(split: Split) -> tuple[list[str], list[list[str]], dict[str, bytes]]:
    if split.header is not None:
        return list(split.header), [list(row) for row in split.data], {}
    if split.view.modality == "text":
        return [TEXT], [[" ".join(text.split())] for text in split.data], {}
    if split.view.modality == "image":
        paths = [f"images/{number}.png" for number in split.ids]
        grey = split.data * (255 / split.data.max())
        return [IMAGE], [[path] for path in paths], dict(zip(paths, map(_png, grey), strict=True))
    # Neutral names: whoever remembers a well-known table gains nothing by it.
    names = [f"c{number:02d}" for number in range(1, split.data.shape[1] + 1)]
    return names, [[f"{value:.6g}" for value in row] for row in split.data], {}


def _png(pixels: npt.NDArray[Any]) -> bytes:
    store = io.BytesIO()
    Image.fromarray(pixels.round().astype(np.uint8)).save(store, "PNG", compress_level=0)
    return store.getvalue()


def _usual(split: Split) -> list[str]:
    """What the training rows say of a row one knows nothing about."""
    known = split.target[: split.counts.train]
    if split.form.prediction is Prediction.VALUE:
        return [f"{np.mean([float(value) for value in known]):.6g}"]
    counts = Counter(known)
    if split.form.prediction is Prediction.LABEL:
        return [max(split.classes, key=lambda name: counts[name])]
    shares = [counts[name] / len(known) for name in split.classes]
    return [f"{share:.4f}" for share in (shares if len(shares) > 2 else shares[1:])]


def _csv(rows: Sequence[Sequence[str]]) -> bytes:
    store = io.StringIO()
    csv.writer(store, lineterminator="\n").writerows(rows)
    return store.getvalue().encode()
