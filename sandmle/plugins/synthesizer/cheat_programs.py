"""What the cheating agents run: this file is sent into a sandbox as it stands, beside the public files of a draft.

No cheat models anything. Each looks for a way to the answers that is none of the competition's business, and writes
its submissions, ten at most, as an agent may have ten scored; the public board tells it which of them to keep.
It is sent after `cheat_marks.py` and `cheat_data.py`, and imports nothing else of ours, only what every agent has.
"""

import csv
import operator
import os
import random
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from typing import Any

import numpy as np

from sandmle.plugins.synthesizer.cheat_data import MAX_TRAINING_ROWS, Data, from_features, in_order, read_columns
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

MAX_SUBMISSIONS = 10
"""Submissions of one cheat; as many are scored in one episode."""
MAX_SEARCHED_BYTES = 16 * 2**20
MAX_SEARCHED_FILES = 5_000
SEARCHED_DEPTH = 3
OF_THE_SYSTEM = ("bin", "boot", "dev", "etc", "lib", "lib64", "opt", "proc", "run", "sbin", "sys", "usr", "var")


def constant(data: Data) -> Iterator[Array]:
    """What train.csv says is usual, for every row."""
    if data.known:
        for usual in (data.truth.mean(axis=0), np.median(data.truth, axis=0)):
            yield np.repeat(usual[None], data.rows, axis=0)


def row_order(data: Data) -> Iterator[Array]:
    """The place of a row in its table, and remainders of it."""
    train, test = data.places, np.arange(data.rows)
    features: list[Feature] = [(train / max(1, data.whole), lambda: test / data.rows)]
    features += [(train % modulus, partial(operator.mod, test, modulus)) for modulus in (2, 3, 4, 5, 7, 10)]
    yield from from_features(data, iter(features))
    yield from in_order(data, test / data.rows)


def ids(data: Data) -> Iterator[Array]:
    """Whatever can be read off an id: its number, remainders, letters, length, and its place among the others."""
    if not data.known:
        return
    names = [data.train.get(data.form["id"], []), data.ids]
    yield from from_features(data, name_features(names))
    order = np.argsort(np.argsort([trailing(name) for name in names[1]], kind="stable"), kind="stable")
    yield from in_order(data, order / data.rows)


def _of_file(state: Callable[[str], os.stat_result], field: str, path: str) -> float:
    found: float = getattr(state(path), field)
    return found


def file_times(data: Data) -> Iterator[Array]:
    """When the file of a row was written, and where it stands in its folder."""

    def features() -> Iterator[Feature]:
        for paths in data.media():
            state = cache(os.stat)
            for field in ("st_mtime_ns", "st_ctime_ns", "st_ino"):
                yield both(partial(_of_file, state, field), paths)

    yield from from_features(data, features())


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
            yield from byte_marks(paths)
            if content_of(paths[0][0]).startswith(b"\x89PNG"):
                yield from pixel_marks(paths)

    yield from from_features(data, features())


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
            content = content_of(path)
        except OSError:
            continue
        left -= size
        # Ids are ASCII, so that any reading of the bytes shows them; most files are no text, and show none.
        shown = content.decode("latin-1").splitlines()
        if len(shown) <= len(wanted) // 2 or len(wanted & set(map(_first_word, shown))) <= len(wanted) // 2:
            continue
        lines = content.decode("utf-8", "replace").splitlines()
        yield from _told(data, {words[0]: words[1:] for words in map(_words, lines)})


def _words(line: str) -> list[str]:
    return re.split(r"[,;\t ]+", line.strip())


def _first_word(line: str) -> str:
    return re.split(r"[,;\t ]", line.strip(), maxsplit=1)[0]


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
    given = [read_columns(f"{name}-{number}.csv") for number in kept]
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
