"""What a domain is: the vocabulary from which titles, columns and scenarios are drawn.

The vocabularies themselves stand in the files called `domain_*.py`.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A numeric column: plausible range and how it is recorded."""

    name: str
    meaning: str
    """With its unit."""
    low: float
    high: float
    decimals: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueTarget:
    """Something to be predicted as a number: most values lie within two spreads of the middle."""

    name: str
    meaning: str
    title: str
    middle: float
    spread: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassTarget:
    """Something to be predicted as a class. `classes` are ordered from low to high where they have an order."""

    name: str
    meaning: str
    title: str
    classes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """One field of application."""

    name: str
    row: str
    """What one row is, in the singular, such as `pump inspection`."""
    purpose: str
    """Who needs the prediction, a sentence."""
    measures: tuple[Measure, ...]
    angles: tuple[Measure, ...]
    """Two columns in degrees, 0 to 360."""
    site: tuple[str, str]
    """Name and meaning of a plain category column."""
    levels: tuple[str, ...]
    """Its levels."""
    code: tuple[str, str]
    """Name and meaning of a code column with many levels."""
    date: tuple[str, str]
    """Name and meaning of a date column."""
    values: tuple[ValueTarget, ...]
    binary: ClassTarget
    several: ClassTarget
    """Four ordered classes, of which a task may use the first three."""
    note: str
    """What a text is, such as `shift note`."""
    topics: tuple[tuple[str, tuple[str, ...]], ...]
    """Four topics, each with words of its own."""
    picture: str
    """What an image shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """Sentences and phrases of one domain."""

    background: str
    """How it has been done so far, and what hangs on doing it better; two sentences."""
    sound: str
    """What a recording is of: `Each row is a recording of three tenths of a second:` goes before it."""
    link: str
    """When two rows are linked: `a link means that` goes before it."""
    reading: str
    """What is read again and again of one row."""


def words(text: str) -> tuple[str, ...]:
    """Split a line of vocabulary."""
    return tuple(text.split())


def measures(*lines: str) -> tuple[Measure, ...]:
    """Parse `name | meaning, unit | low | high | decimals` lines."""
    parsed = []
    for line in lines:
        name, meaning, low, high, decimals = (part.strip() for part in line.split("|"))
        parsed.append(Measure(name=name, meaning=meaning, low=float(low), high=float(high), decimals=int(decimals)))
    return tuple(parsed)


def angles(*lines: str) -> tuple[Measure, ...]:
    """Parse `name | meaning` lines of columns in degrees."""
    return measures(*(f"{line}, degrees from 0 to 360 | 0 | 360 | 0" for line in lines))


def value(line: str) -> ValueTarget:
    """Parse `name | meaning, unit | title | middle | spread`."""
    name, meaning, title, middle, spread = (part.strip() for part in line.split("|"))
    return ValueTarget(name=name, meaning=meaning, title=title, middle=float(middle), spread=float(spread))


def target(line: str) -> ClassTarget:
    """Parse `name | meaning | title | class class ...`."""
    name, meaning, title, classes = (part.strip() for part in line.split("|"))
    return ClassTarget(name=name, meaning=meaning, title=title, classes=words(classes))
