"""Looks for ways to the answers that are no modelling: ids, row order, file names and sizes, copies, telling columns.

Each probe learns from one thing alone and predicts the target of the test rows. Its skill is 0 at chance and
1 when it gives the answer away. Pure arithmetic on text that an untrusted script wrote.
"""

import math
import re
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from sandmle.core.types.synthesis import ColumnPlan, Strategy
from sandmle.plugins.synthesizer.files import FILE_KINDS, DraftTables, column_of, targets_of
from sandmle.plugins.synthesizer.tables import Table
from sandmle.plugins.synthesizer.unseen import unseen_features

CHANCE_SIGMAS: Final = 4.0
"""A correlation below this many standard errors (1/sqrt(rows)) counts as chance: some hundred features times
classes are tried per draft, and one in 30,000 passes by luck."""
MANY_ROWS: Final = 100_000
_BINS: Final = 10
_CLASSES_TRIED: Final = 12
_NAME_CHARACTERS: Final = 48
"""Characters of a name that are looked at from either end, beyond what all names begin and end with."""
_MODULI: Final = (2, 3, 5, 7, 10)

Numbers = Sequence[float]


def probe(tables: DraftTables, files: Mapping[str, bytes], strategy: Strategy) -> dict[str, float]:
    """Probe name to skill in [0, 1]; `duplicate-rows` is the share of test rows that repeat a train row."""
    whole, tables = tables, _thinned(tables)
    targets = [(tables.train.column(name), tables.answers.column(name)) for name in targets_of(strategy)]
    hidden, classes = targets[0][1], strategy.task_type == "classification"
    identifier = column_of(strategy, "id")
    truths = [pair for one in targets[:_CLASSES_TRIED] for pair in _encode(*one, classes)]
    orders = [_places(table) for table in (tables.train, tables.test)]
    skills = {
        "row-order": _best([(orders[0], orders[1])], truths),
        "id": _best(_name_features(tables.train.column(identifier), tables.test.column(identifier)), truths),
        "column": max(
            (_column_skill(name, tables, *one, strategy) for one in targets for name in _features(strategy)),
            default=0.0,
        ),
        "duplicate-rows": _duplicates(whole, files, strategy),
        "unseen": max((_best(_unseen(column, tables), truths) for column in strategy.columns), default=0.0),
    }
    for column in strategy.columns:
        if column.kind in FILE_KINDS:
            paths = tables.train.column(column.name), tables.test.column(column.name)
            sizes = [[float(len(files[f"public/{path}"])) for path in some] for some in paths]
            told = _label_in_name(_stems(*paths)[1], hidden) if classes else 0.0
            skills["file-name"] = max(skills.get("file-name", 0.0), _best(_name_features(*paths), truths), told)
            skills["file-size"] = max(skills.get("file-size", 0.0), _best([(sizes[0], sizes[1])], truths))
        if column.kind == "text" and strategy.task_type == "classification":
            told = _label_in_text(tables.test.column(column.name), hidden)
            skills["label-in-text"] = max(skills.get("label-in-text", 0.0), told)
    return skills


def _unseen(column: ColumnPlan, tables: DraftTables) -> Iterator[tuple[Numbers, Numbers]]:
    if column.kind in ("text", "category", "number"):
        yield from unseen_features(column.kind, tables.train.column(column.name), tables.test.column(column.name))


def _thinned(tables: DraftTables) -> DraftTables:
    """The same with evenly spaced training rows where there are very many: no probe learns more from more."""
    rows = tables.train.rows[:: max(1, len(tables.train.rows) // MANY_ROWS)]
    return replace(tables, train=replace(tables.train, rows=rows))


def _places(table: Table) -> list[float]:
    return [at / len(table.rows) for at in range(len(table.rows))]


def _features(strategy: Strategy) -> list[str]:
    return [column.name for column in strategy.columns if column.kind in ("number", "category")]


def _encode(known: Sequence[str], hidden: Sequence[str], labels: bool) -> Iterator[tuple[list[float], list[float]]]:
    """The target as numbers: ranks of values, or one indicator per class."""
    if not labels:
        yield ranks([float(cell) for cell in known]), ranks([float(cell) for cell in hidden])
        return
    for label, _ in Counter(known).most_common(_CLASSES_TRIED):
        yield [float(cell == label) for cell in known], [float(cell == label) for cell in hidden]


def ranks(values: Numbers) -> list[float]:
    """Mid-ranks as shares of the number of values; equal values share theirs."""
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end < len(order) and values[order[end]] == values[order[start]]:
            end += 1
        for at in order[start:end]:
            ranks[at] = (start + end - 1) / 2 / len(values)
        start = end
    return ranks


def _name_features(train: Sequence[str], test: Sequence[str]) -> Iterator[tuple[list[float], list[float]]]:
    """Numbers that can be read off a name: its letters, its length, its trailing number and remainders of it.

    What all names have in common at either end, such as `images/` and `.png`, is left out: it says nothing.
    """
    train, test = _stems(train, test)
    longest, shortest = max(map(len, (*train, *test))), min(map(len, (*train, *test)))
    places = [*range(min(longest, _NAME_CHARACTERS))]
    if shortest != longest or longest > _NAME_CHARACTERS:
        places += range(-min(longest, _NAME_CHARACTERS), 0)
    readers: list[Callable[[str], int]] = [len, _trailing_number]
    readers += [partial(_code_at, at=at) for at in places]
    readers += [partial(_remainder, modulus=modulus) for modulus in _MODULI]
    for read in readers:
        yield [float(read(name)) for name in train], [float(read(name)) for name in test]


def _stems(train: Sequence[str], test: Sequence[str]) -> tuple[list[str], list[str]]:
    """The names without what all of them begin with, and end with."""
    names = [*train, *test]
    first = _shared(names)
    last = _shared([name[first:][::-1] for name in names])
    stems = [name[first : len(name) - last] for name in names]
    return stems[: len(train)], stems[len(train) :]


def _shared(names: Sequence[str]) -> int:
    """How many characters all of them begin with: as many as the first and the last of them in order do."""
    one, other = min(names), max(names)
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _code_at(name: str, at: int) -> int:
    return ord(name[at]) if -len(name) <= at < len(name) else 0


def _remainder(name: str, modulus: int) -> int:
    return _trailing_number(name) % modulus


_DIGITS: Final = re.compile(r"([0-9]{1,15})[^0-9]*$")


def _trailing_number(name: str) -> int:
    found = _DIGITS.search(name)
    return int(found[1]) if found else -1


def _best(
    features: Iterator[tuple[Numbers, Numbers]] | Sequence[tuple[Numbers, Numbers]],
    truths: Sequence[tuple[Numbers, Numbers]],
) -> float:
    """The best skill of any feature on any encoding of the target, learned from train or from half the test rows."""
    best = 0.0
    for train, test in features:
        for known, hidden in truths:
            best = max(
                best,
                _skill(train, known, test, hidden),
                _skill(test[::2], hidden[::2], test[1::2], hidden[1::2]),
            )
    return best


def _skill(x_train: Numbers, y_train: Numbers, x_test: Numbers, y_test: Numbers) -> float:
    cuts, means = _binned_means(x_train, y_train)
    predicted = [means[bisect_right(cuts, x)] for x in x_test]
    chance = CHANCE_SIGMAS / math.sqrt(len(y_test))
    return max(0.0, (correlation(predicted, y_test) - chance) / (1 - chance)) if chance < 1 else 0.0


def _binned_means(x: Numbers, y: Numbers) -> tuple[list[float], list[float]]:
    """Cut points between up to ten bins of about equal size, and the mean target in each bin."""
    pairs = sorted(zip(x, y, strict=True))
    size = max(1, len(pairs) // _BINS)
    cuts: list[float] = []
    bins: list[list[float]] = [[]]
    for at, (value, truth) in enumerate(pairs):
        if len(bins[-1]) >= size and value != pairs[at - 1][0]:
            cuts.append(value)
            bins.append([])
        bins[-1].append(truth)
    return cuts, [math.fsum(some) / len(some) for some in bins]


def correlation(a: Numbers, b: Numbers) -> float:
    """Pearson correlation; 0 where one of the two does not vary."""
    mean_a, mean_b = math.fsum(a) / len(a), math.fsum(b) / len(b)
    covariance = math.fsum((x - mean_a) * (y - mean_b) for x, y in zip(a, b, strict=True))
    spread = math.fsum((x - mean_a) ** 2 for x in a) * math.fsum((y - mean_b) ** 2 for y in b)
    return covariance / math.sqrt(spread) if spread > 0 else 0.0


def _column_skill(
    name: str, tables: DraftTables, known: Sequence[str], hidden: Sequence[str], strategy: Strategy
) -> float:
    """How nearly one column alone is the target: rank correlation, or accuracy above the largest class."""
    cells = tables.test.column(name)
    if strategy.task_type != "classification":
        kept = [(float(cell), float(truth)) for cell, truth in zip(cells, hidden, strict=True) if _is_number(cell)]
        if len(kept) < len(cells) // 2:
            return 0.0
        return abs(correlation(ranks([x for x, _ in kept]), ranks([y for _, y in kept])))
    votes: dict[str, Counter[str]] = defaultdict(Counter)
    key = _bin_key(tables.train.column(name))
    for cell, label in zip(tables.train.column(name), known, strict=True):
        votes[key(cell)][label] += 1
    usual = Counter(known).most_common(1)[0][0]
    said = [votes[key(cell)].most_common(1)[0][0] if key(cell) in votes else usual for cell in cells]
    right = sum(a == b for a, b in zip(said, hidden, strict=True)) / len(hidden)
    largest = max(Counter(hidden).values()) / len(hidden)
    return max(0.0, (right - largest) / (1 - largest)) if largest < 1 else 0.0


def _bin_key(train: Sequence[str]) -> Callable[[str], str]:
    """Numbers with many values go into twenty bins, anything else stands for itself."""
    numbers = sorted(float(cell) for cell in train if _is_number(cell))
    if len(set(numbers)) <= 2 * _BINS or len(numbers) < len(train) // 2:
        return lambda cell: cell
    cuts = [numbers[len(numbers) * at // (2 * _BINS)] for at in range(1, 2 * _BINS)]
    return lambda cell: str(bisect_right(cuts, float(cell))) if _is_number(cell) else ""


def _is_number(cell: str) -> bool:
    try:
        return math.isfinite(float(cell))
    except ValueError:
        return False


def _duplicates(tables: DraftTables, files: Mapping[str, bytes], strategy: Strategy) -> float:
    """Share of test rows whose every feature, media content included, stands in train.csv too."""
    hidden = [column.name for column in strategy.columns if column.kind in ("id", "target")]
    images = [column.name for column in strategy.columns if column.kind in FILE_KINDS]

    def contents(table: Table) -> list[tuple[str | bytes, ...]]:
        order = [column.name for column in strategy.columns if column.name not in hidden]
        columns = [
            [files[f"public/{path}"] for path in table.column(name)] if name in images else table.column(name)
            for name in order
        ]
        return list(zip(*columns, strict=True))

    seen = set(contents(tables.train))
    test = contents(tables.test)
    return sum(row in seen for row in test) / len(test)


def _label_in_text(texts: Sequence[str], hidden: Sequence[str]) -> float:
    """Share of test rows whose text holds the name of their own label and of no other."""
    labels = sorted(set(hidden))
    patterns = {label: re.compile(rf"(?<!\w){re.escape(label)}(?!\w)", re.IGNORECASE) for label in labels}
    told = 0
    for text, truth in zip(texts, hidden, strict=True):
        named = [label for label in labels if patterns[label].search(text)]
        told += named == [truth]
    return told / len(texts)


def _label_in_name(names: Sequence[str], hidden: Sequence[str]) -> float:
    """How well rows whose name holds one label, as a word of its own, are known by it, above chance, by their share."""
    words = {label: f"-{_slug(label)}-" for label in sorted(set(hidden)) if _slug(label)}
    said: list[tuple[str, str]] = []
    for name, truth in zip(names, hidden, strict=True):
        named = [label for label, word in words.items() if word in f"-{_slug(name)}-"]
        if len(named) == 1:
            said.append((named[0], truth))
    if not said:
        return 0.0
    right = sum(one == truth for one, truth in said) / len(said)
    chance = Counter(truth for _, truth in said).most_common(1)[0][1] / len(said) + CHANCE_SIGMAS / math.sqrt(len(said))
    return len(said) / len(names) * max(0.0, (right - chance) / (1 - chance)) if chance < 1 else 0.0


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
