"""What a cheating agent reads of a draft, and how it learns from one feature alone.

Sent into a sandbox as it stands, after `cheat_marks.py` and before `cheat_programs.py`.
"""

import csv
import os
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np

from sandmle.plugins.synthesizer.cheat_marks import Array, Feature, number_in

MAX_TRAINING_ROWS = 2_000
NEIGHBOURS = 5
"""Rows a prediction is the mean of, where a feature has many values."""


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
        train, self.test = _public(f"{folder}/train.csv"), _public(f"{folder}/test.csv")
        self.whole = len(next(iter(train.values()), []))
        step = max(1, self.whole // most)
        self.places = np.arange(self.whole)[::step]
        self.train = {name: cells[::step] for name, cells in train.items()}
        self.sample = _public(f"{folder}/sample_submission.csv")
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


@cache
def _public(path: str) -> dict[str, list[str]]:
    """A table that no cheat changes, read once for all of them."""
    return read_columns(path)


def read_columns(path: str) -> dict[str, list[str]]:
    with open(path, encoding="utf-8", newline="") as file:
        header, *rows = [row for row in csv.reader(file) if row]
    return {name: [row[at] for row in rows] for at, name in enumerate(header)}


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
    for feature in features:
        train = feature[0]
        if len(np.unique(train)) < 2:
            continue
        error = 0.0
        for one, other in ((even, odd), (odd, even)):
            missed = ((_learned(train[one], truth[one], train[other]) - truth[other]) ** 2).sum()
            usual = ((truth[one].mean(axis=0) - truth[other]) ** 2).sum()
            error += missed / usual / 2 if usual > 0 else 0.5
        if error < least:
            best, least = feature, error
    return best


def from_features(data: Data, features: Iterator[Feature]) -> Iterator[Array]:
    chosen = _best_feature(features, data.truth) if data.known else None
    if chosen is not None:
        yield _learned(chosen[0], data.truth, chosen[1]())


def in_order(data: Data, places: Array) -> Iterator[Array]:
    """As if the rows stood in the order of the target, rising and falling."""
    if not data.known:
        return
    first = data.truth @ np.arange(1, data.truth.shape[1] + 1)
    ordered = data.truth[np.argsort(first, kind="stable")]
    at = np.minimum((places * len(ordered)).astype(int), len(ordered) - 1)
    yield ordered[at]
    yield ordered[::-1][at]
