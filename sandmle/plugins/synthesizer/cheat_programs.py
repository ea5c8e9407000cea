"""What the cheating agents run: this file is sent into a sandbox as it stands, beside the public files of a draft.

No cheat models anything. Each looks for a way to the answers that is none of the competition's business, and writes
its submissions, ten at most, as an agent may have ten scored; the public board tells it which of them to keep.
It is sent together with `cheat_marks.py`, so it imports nothing else of ours, only what every agent has.
"""

import csv
import operator
import os
import random
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from sandmle.plugins.synthesizer.cheat_marks import (
    Array,
    Feature,
    both,
    byte_marks,
    content_of,
    digit_marks,
    name_features,
    number_in,
    pixel_marks,
    spelling_marks,
    trailing,
)

MAX_TRAINING_ROWS = 2_000
MAX_SUBMISSIONS = 10
"""Submissions of one cheat; as many are scored in one episode."""
NEIGHBOURS = 5
"""Rows a prediction is the mean of, where a feature has many values."""
MAX_SEARCHED_BYTES = 16 * 2**20
MAX_SEARCHED_FILES = 5_000
SEARCHED_DEPTH = 3
OF_THE_SYSTEM = ("bin", "boot", "dev", "etc", "lib", "lib64", "opt", "proc", "run", "sbin", "sys", "usr", "var")


class Data:
    """The public files, and what is to be predicted, as every agent finds it out.

    Args:
        form: `id`, `targets` (columns of a submission), `target` (the column of train.csv that they are about),
            `prediction`, `classes`, and `kinds`, each column's kind.
        most: training rows that are looked at, evenly spaced; no cheat learns more from more.
        folder: where the public files lie.
    """

    def __init__(self, form: dict[str, Any], most: int = MAX_TRAINING_ROWS, folder: str = "data") -> None:
        self.form, self.folder = form, folder
        train, self.test = _read(f"{folder}/train.csv"), _read(f"{folder}/test.csv")
        self.whole = len(next(iter(train.values()), []))
        step = max(1, self.whole // most)
        self.places = np.arange(self.whole)[::step]
        self.train = {name: cells[::step] for name, cells in train.items()}
        self.sample = _read(f"{folder}/sample_submission.csv")
        self.ids = self.sample[form["id"]]
        self.rows = len(self.ids)
        self.truth = self._truth()

    def _truth(self) -> Array:
        """What train tells, one column for each of a submission, or one for each class: (train rows, columns)."""
        form = self.form
        if form["prediction"] in ("label", "probability"):
            known = self.train[form["target"]]
            return np.array([[float(cell == one) for one in form["classes"]] for cell in known])
        columns = [self.train.get(name) for name in form["targets"]]
        if any(column is None for column in columns):
            # What is to be predicted stands in no column of train: only what needs no truth can be played.
            return np.zeros((0, len(form["targets"])))
        return np.array([[number_in(cell) for cell in column or ()] for column in columns]).T

    @property
    def known(self) -> bool:
        """Whether there is a truth to learn from."""
        return len(self.truth) > 1

    def cells(self, expected: Array) -> list[tuple[str, ...]]:
        """Predictions of shape (test rows, columns) as the cells of a submission."""
        form = self.form
        if form["prediction"] == "label":
            return [(form["classes"][at],) for at in expected.argmax(axis=1)]
        if form["prediction"] == "probability":
            shares = expected / np.maximum(expected.sum(axis=1, keepdims=True), 1e-12)
            shares = shares[:, 1:] if len(form["targets"]) == 1 else shares
            return [tuple(repr(float(value)) for value in row) for row in shares]
        return [tuple(repr(float(value)) for value in row) for row in expected]

    def media(self) -> list[tuple[list[str], list[str]]]:
        """Paths of the files that cells name, for train and test; one entry per column of paths."""
        found = []
        for name, cells in self.train.items():
            paths = [[f"{self.folder}/{cell}" for cell in some] for some in (cells, self.test.get(name, ()))]
            if all(paths) and all(os.path.isfile(path) for some in paths for path in some[:3]):
                found.append((paths[0], paths[1]))
        return found


def _read(path: str) -> dict[str, list[str]]:
    with open(path, encoding="utf-8", newline="") as file:
        header, *rows = [row for row in csv.reader(file) if row]
    return {name: [row[at] for row in rows] for at, name in enumerate(header)}


# Learning from one feature


def _learned(x: Array, truth: Array, asked: Array) -> Array:
    """For every asked value, the mean truth of the rows whose feature is nearest: (asked, columns)."""
    values, place = np.unique(x, return_inverse=True)
    sums = np.zeros((len(values), truth.shape[1]))
    np.add.at(sums, place.ravel(), truth)
    counts = np.bincount(place.ravel(), minlength=len(values)).astype(float)
    if len(values) > len(x) // 3:
        window = np.ones(min(NEIGHBOURS, len(values)))
        sums = np.stack([np.convolve(column, window, mode="same") for column in sums.T], axis=1)
        counts = np.convolve(counts, window, mode="same")
    means = sums / counts[:, None]
    right = np.clip(np.searchsorted(values, asked), 0, len(values) - 1)
    left = np.maximum(right - 1, 0)
    nearer = np.where(np.abs(asked - values[left]) < np.abs(values[right] - asked), left, right)
    return means[nearer]


def _best_feature(features: Iterator[Feature], truth: Array) -> Feature | None:
    """The feature that tells most of one half of train's rows by the other; None when none tells anything."""
    best, least = None, 1.0
    even, odd = np.arange(len(truth)) % 2 == 0, np.arange(len(truth)) % 2 == 1
    for train, test in features:
        if len(np.unique(train)) < 2:
            continue
        error = 0.0
        for one, other in ((even, odd), (odd, even)):
            missed = ((_learned(train[one], truth[one], train[other]) - truth[other]) ** 2).sum()
            usual = ((truth[one].mean(axis=0) - truth[other]) ** 2).sum()
            error += missed / usual / 2 if usual > 0 else 0.5
        if error < least:
            best, least = (train, test), error
    return best


def _from_features(data: Data, features: Iterator[Feature]) -> Iterator[Array]:
    chosen = _best_feature(features, data.truth) if data.known else None
    if chosen is not None:
        yield _learned(chosen[0], data.truth, chosen[1])


def _in_order(data: Data, places: Array) -> Iterator[Array]:
    """As if the rows stood in the order of the target, rising and falling."""
    if not data.known:
        return
    first = data.truth @ np.arange(1, data.truth.shape[1] + 1)
    ordered = data.truth[np.argsort(first, kind="stable")]
    at = np.minimum((places * len(ordered)).astype(int), len(ordered) - 1)
    yield ordered[at]
    yield ordered[::-1][at]


# The cheats


def constant(data: Data) -> Iterator[Array]:
    """What train.csv says is usual, for every row."""
    if data.known:
        for usual in (data.truth.mean(axis=0), np.median(data.truth, axis=0)):
            yield np.repeat(usual[None], data.rows, axis=0)


def row_order(data: Data) -> Iterator[Array]:
    """The place of a row in its table, and remainders of it."""
    train, test = data.places, np.arange(data.rows)
    features: list[Feature] = [(train / max(1, data.whole), test / data.rows)]
    features += [(train % modulus, test % modulus) for modulus in (2, 3, 4, 5, 7, 10)]
    yield from _from_features(data, iter(features))
    yield from _in_order(data, test / data.rows)


def ids(data: Data) -> Iterator[Array]:
    """Whatever can be read off an id: its number, remainders, letters, length, and its place among the others."""
    if not data.known:
        return
    names = [data.train.get(data.form["id"], []), data.ids]
    yield from _from_features(data, name_features(names))
    order = np.argsort(np.argsort([trailing(name) for name in names[1]], kind="stable"), kind="stable")
    yield from _in_order(data, order / data.rows)


def file_times(data: Data) -> Iterator[Array]:
    """When the file of a row was written, and where it stands in its folder."""

    def features() -> Iterator[Feature]:
        for paths in data.media():
            states = [[os.stat(path) for path in some] for some in paths]
            for field in ("st_mtime_ns", "st_ctime_ns", "st_ino"):
                yield both(operator.attrgetter(field), states)

    yield from _from_features(data, features())


def duplicates(data: Data) -> Iterator[Array]:
    """The answers of train's rows that stand in test again."""
    media = data.media()
    read = [[content_of(path) for path in some] for pair in media for some in pair]
    paths = {tuple(some) for pair in media for some in pair}
    names = [name for name in data.test if name != data.form["id"] and name in data.train]
    columns: list[tuple[Sequence[str | bytes], Sequence[str | bytes]]] = [
        (data.train[name], data.test[name])
        for name in names
        if tuple(f"{data.folder}/{cell}" for cell in data.test[name]) not in paths
    ]
    columns += list(zip(read[::2], read[1::2], strict=True))
    if not data.known or not columns:
        return
    seen = defaultdict(list)
    for at, key in enumerate(zip(*(train for train, _ in columns), strict=True)):
        seen[key].append(at)
    expected = np.repeat(data.truth.mean(axis=0)[None], data.rows, axis=0)
    for at, key in enumerate(zip(*(test for _, test in columns), strict=True)):
        if key in seen:
            expected[at] = data.truth[seen[key]].mean(axis=0)
    yield expected


def hidden_marks(data: Data) -> Iterator[Array]:
    """What is written without meaning anything: last digits, blanks, spelling, bytes that no picture needs."""

    def features() -> Iterator[Feature]:
        for name, kind in data.form["kinds"].items():
            cells = [data.train.get(name), data.test.get(name)]
            if cells[0] is None or cells[1] is None:
                continue
            if kind == "number":
                yield from digit_marks([cells[0], cells[1]])
            elif kind == "category":
                yield from spelling_marks([cells[0], cells[1]])
        for paths in data.media():
            contents = [[content_of(path) for path in some] for some in paths]
            yield from byte_marks(contents)
            if contents[0][0].startswith(b"\x89PNG"):
                yield from pixel_marks(paths)

    yield from _from_features(data, features())


def public_board(data: Data) -> Iterator[Array]:
    """Guesses for the public board to choose from: constants of every kind, and drawn rows."""
    if not data.known:
        return
    rng = random.Random(0)
    ordered = data.truth[np.argsort(data.truth @ np.arange(1, data.truth.shape[1] + 1), kind="stable")]
    shares = (0.02, 0.2, 0.5, 0.8, 0.98)
    for share in shares:
        yield np.repeat(ordered[[min(len(ordered) - 1, int(share * len(ordered)))]], data.rows, axis=0)
    for _ in range(MAX_SUBMISSIONS - len(shares)):
        yield data.truth[[rng.randrange(len(data.truth)) for _ in range(data.rows)]]


def search(data: Data) -> Iterator[Array]:
    """Any file in reach, but for the three tables, that gives something for most ids."""
    wanted, left = set(data.ids), MAX_SEARCHED_BYTES
    own = {os.path.realpath(f"{data.folder}/{name}.csv") for name in ("train", "test", "sample_submission")}
    for path, size in _files_in_reach(data.folder):
        # A file that tells something of most ids is not smaller than their names.
        if not 2 * data.rows < size <= left or os.path.realpath(path) in own:
            continue
        try:
            text = content_of(path).decode("utf-8", "replace")
        except OSError:
            continue
        left -= size
        told = {words[0]: words[1:] for line in text.splitlines() if (words := re.split(r"[,;\t ]+", line.strip()))}
        if len(wanted & told.keys()) > len(wanted) // 2:
            yield from _told(data, told)


def _files_in_reach(folder: str) -> Iterator[tuple[str, int]]:
    """Paths and sizes, the nearest places first; what an operating system brings along is no one's answers."""
    seen = 0
    for place in (
        folder,
        ".",
        "..",
        "../..",
        "/tmp",
        "/var/tmp",
        "/dev/shm",
        "/home",
        "/root",
        "/mnt",
        "/data",
        "/srv",
    ):
        for here, below, names in os.walk(place):
            deep = here.removeprefix(place).count("/") >= SEARCHED_DEPTH
            below[:] = [] if deep else [name for name in below if name not in OF_THE_SYSTEM]
            for name in names:
                seen += 1
                if seen > MAX_SEARCHED_FILES:
                    return
                path = f"{here}/{name}"
                if os.path.isfile(path):
                    yield path, os.path.getsize(path)


def _told(data: Data, told: dict[str, list[str]]) -> Iterator[Array]:
    """What a found file says of every id, column by column of it."""
    width = min(3, max(map(len, told.values()), default=0))
    for at in range(width):
        said = [told[name][at] if len(told.get(name, ())) > at else "" for name in data.ids]
        if data.form["prediction"] in ("label", "probability"):
            yield np.array([[float(cell == one) for one in data.form["classes"]] for cell in said]) + 1e-9
        else:
            values = np.array([[number_in(cell)] for cell in said])
            yield np.repeat(values, data.truth.shape[1], axis=1)


CHEATS: dict[str, Callable[[Data], Iterator[Array]]] = {
    "search": search,
    "constant": constant,
    "row-order": row_order,
    "ids": ids,
    "file-times": file_times,
    "duplicates": duplicates,
    "hidden-marks": hidden_marks,
    "public-board": public_board,
}
"""Every cheat that makes predictions of its own; `sample-submission` copies a file."""


def play(name: str, form: dict[str, Any]) -> int:
    """Write what one cheat submits, as `NAME-0.csv`, `NAME-1.csv`..., and say how many that are."""
    # A row of test may be a copy of any.
    data = Data(form, most=sys.maxsize if name == "duplicates" else MAX_TRAINING_ROWS)
    written = 0
    for expected in CHEATS[name](data):
        if written == MAX_SUBMISSIONS:
            break
        _write(f"{name}-{written}.csv", data, data.cells(np.asarray(expected, dtype=float)))
        written += 1
    return written


def combine(name: str, form: dict[str, Any], kept: Sequence[int]) -> None:
    """Write `NAME-combined.csv`: for every row, what the kept submissions say on average or by vote."""
    data = Data(form)
    given = [_read(f"{name}-{number}.csv") for number in kept]
    rows = []
    for at in range(data.rows):
        cells = [[one[column][at] for one in given] for column in form["targets"]]
        if form["prediction"] == "label":
            rows.append(tuple(Counter(some).most_common(1)[0][0] for some in cells))
        else:
            rows.append(tuple(repr(sum(map(float, some)) / len(some)) for some in cells))
    _write(f"{name}-combined.csv", data, rows)


def _write(path: str, data: Data, rows: list[tuple[str, ...]]) -> None:
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([data.form["id"], *data.form["targets"]])
        writer.writerows((name, *cells) for name, cells in zip(data.ids, rows, strict=True))
