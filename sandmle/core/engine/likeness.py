"""Finds tasks that are nearly the same: by what they were made from, by their rule, by their text, by their rows.

Linear in the number of tasks: texts are compared where their shortest fingerprints meet, rows where they are equal.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import combinations
from typing import Final

from sandmle.core.engine.file_trees import MAX_FILE_BYTES, read_regular
from sandmle.core.engine.tasks import Task
from sandmle.core.errors import TaskError

SHINGLE: Final = 4
"""Words in a row that make one piece of a text."""
HASHES: Final = 48
"""Fingerprints of a text."""
BAND: Final = 3
"""How many fingerprints in a row have to be equal for two texts to be compared: texts that share four fifths of their
pieces meet with near certainty."""
ALIKE: Final = 0.8
"""Share of pieces, of both texts together, from which on two texts are nearly the same."""
SHARED_ROWS: Final = 0.05
"""Share of a training table's rows that another task may hold too."""
TELLING: Final = 24
"""Characters of a row that is not equal to another by chance."""
FEW: Final = 64
"""Tasks that share one row or fingerprint; more say that it is common to many, and not that two are alike."""
_PRIME: Final = 2**61 - 1
_FACTORS: Final = tuple(0x9E3779B97F4A7C15 * (2 * at + 1) % _PRIME for at in range(HASHES))
_WORD: Final = re.compile(r"[a-z0-9_]+(?:\.[0-9]+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Alike:
    """Two tasks that are nearly the same in some way."""

    how: str
    """`dna`, `rule`, `text` or `rows`."""
    first: str
    second: str
    share: float


def alike_tasks(tasks: Sequence[Task], on_task: Callable[[int], None] = lambda done: None) -> list[Alike]:
    """Every pair that is nearly the same, each way on its own.

    Args:
        tasks: read; their files are read one task at a time.
        on_task: told how many tasks have been read.

    Raises:
        TaskError: a file of a task cannot be read.
    """
    made: dict[str, Hashable] = {}
    rules: dict[str, frozenset[int]] = {}
    texts: dict[str, frozenset[int]] = {}
    rows: dict[str, frozenset[int]] = {}
    for number, task in enumerate(tasks, 1):
        spec, name = task.spec, task.spec.task_id
        made[name] = (
            *(spec.provenance.seed_id, spec.domain, spec.rule_family, spec.metric.name, spec.noise_families),
            *(spec.submission.target_columns, spec.dna.get("difficulty")),
        )
        rules[name] = _pieces(_read(task, "private/strategy.json").partition('"hidden_rule"')[2])
        texts[name] = _pieces(task.description)
        rows[name] = _rows(_read(task, "public/train.csv")) | _files(spec.provenance.content_sha256)
        on_task(number)
    equal = [Alike(how="dna", first=a, second=b, share=1.0) for a, b in _equal(made)]
    return [*equal, *_near("rule", rules), *_near("text", texts), *_sharing(rows)]


def _read(task: Task, name: str) -> str:
    path = task.layout.root / name
    try:
        return read_regular(path, MAX_FILE_BYTES).decode("utf-8")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError as problem:
        raise TaskError(f"cannot read {path}: {problem}") from problem


def _number(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest())


def _pieces(text: str) -> frozenset[int]:
    """None of a text without words, which is like no other."""
    words = _WORD.findall(text.lower())
    if not words:
        return frozenset()
    return frozenset(_number(" ".join(words[at : at + SHINGLE])) for at in range(max(1, len(words) - SHINGLE + 1)))


def _rows(table: str) -> frozenset[int]:
    """Rows without their ids, of which files are named too; rows of few cells are equal by chance and left out."""
    lines = (re.sub(r"[a-z]+/[^,]+,", "", line.partition(",")[2]) for line in table.splitlines()[1:])
    return frozenset(_number(line) for line in lines if len(line) >= TELLING)


def _files(hashes: Mapping[str, str]) -> frozenset[int]:
    """The files that belong to single rows: pictures, sounds, series."""
    return frozenset(
        _number(digest) for name, digest in hashes.items() if name.startswith("public/") and "/" in name[7:]
    )


def _equal(made: Mapping[str, Hashable]) -> Iterator[tuple[str, str]]:
    groups: dict[Hashable, list[str]] = defaultdict(list)
    for name, how in made.items():
        groups[how].append(name)
    for names in groups.values():
        yield from combinations(names, 2)


def _near(how: str, pieces: Mapping[str, frozenset[int]]) -> Iterator[Alike]:
    """Pairs whose pieces are the same for the most part, found by fingerprints that meet."""
    meeting: dict[tuple[int, ...], list[str]] = defaultdict(list)
    for name, some in pieces.items():
        if not some:
            continue
        prints = [min(one * factor % _PRIME for one in some) for factor in _FACTORS]
        for start in range(0, HASHES, BAND):
            meeting[start, *prints[start : start + BAND]].append(name)
    candidates = {pair for names in meeting.values() if len(names) <= FEW for pair in combinations(sorted(names), 2)}
    for first, second in sorted(candidates):
        a, b = pieces[first], pieces[second]
        share = len(a & b) / len(a | b)
        if share >= ALIKE:
            yield Alike(how=how, first=first, second=second, share=round(share, 3))


def _sharing(rows: Mapping[str, frozenset[int]]) -> Iterator[Alike]:
    """Pairs of tasks whose training tables hold the same rows."""
    holders: dict[int, list[str]] = defaultdict(list)
    for name, some in rows.items():
        for row in some:
            holders[row].append(name)
    shared = Counter(pair for names in _few(holders.values()) for pair in combinations(sorted(names), 2))
    for (first, second), count in sorted(shared.items()):
        share = count / max(1, min(len(rows[first]), len(rows[second])))
        if share > SHARED_ROWS:
            yield Alike(how="rows", first=first, second=second, share=round(share, 3))


def _few(groups: Iterable[list[str]]) -> Iterator[list[str]]:
    return (names for names in groups if 1 < len(names) <= FEW)
