"""Numbers as a person reads them. NaN, infinities and absent values are shown as what they are, never as 0."""

import math
from collections.abc import Sequence

ABSENT = "—"


def is_finite(value: float | None) -> bool:
    """Whether there is a value that can be drawn on an axis."""
    return value is not None and math.isfinite(value)


def score(value: float | None, digits: int = 5) -> str:
    """A raw metric value to `digits` significant digits.

    >>> score(0.8731249), score(float("nan")), score(float("-inf")), score(None)
    ('0.87312', 'NaN', '-∞', '—')
    """
    if value is None:
        return ABSENT
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return f"{value:.{digits}g}"


def fixed(value: float | None, places: int = 3) -> str:
    """A value in [0, 1] or a reward with a fixed number of places, so that columns line up.

    >>> fixed(0.5), fixed(-1.0, 1), fixed(None)
    ('0.500', '-1.0', '—')
    """
    if value is None or not math.isfinite(value):
        return score(value)
    return f"{value:.{places}f}"


def percent(value: float | None) -> str:
    """A share as a percentage.

    >>> percent(0.125), percent(1.0)
    ('12.5 %', '100.0 %')
    """
    if value is None or not math.isfinite(value):
        return score(value)
    return f"{100 * value:.1f} %"


def signed(value: float | None) -> str:
    """A difference of values in [0, 1] or of rewards, its sign always shown.

    >>> signed(0.0215), signed(-0.5), signed(None)
    ('+0.021', '-0.500', '—')
    """
    return f"{value:+.3f}" if value is not None and math.isfinite(value) else score(value)


def points(value: float | None) -> str:
    """A difference of shares in percentage points, its sign always shown.

    >>> points(0.125), points(-0.0333)
    ('+12.5', '-3.3')
    """
    return f"{100 * value:+.1f}" if value is not None and math.isfinite(value) else score(value)


def measured(value: object) -> str:
    """Any value of a trainer's line: whole numbers whole, others with three places.

    >>> measured(12), measured(0.5), measured(None), measured("x")
    ('12', '0.500', '—', 'x')
    """
    if isinstance(value, float):
        return fixed(value)
    return ABSENT if value is None else str(value)


def seconds(value: float | None) -> str:
    """A duration with a unit that suits its size.

    >>> seconds(0.0042), seconds(3.25), seconds(75.0), seconds(7300.0)
    ('4 ms', '3.2 s', '1 min 15 s', '2 h 1 min')
    """
    if value is None or not math.isfinite(value):
        return score(value)
    if value < 1:
        return f"{1000 * value:.0f} ms"
    if value < 60:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def mean(values: Sequence[float]) -> float | None:
    """The mean, or None of nothing."""
    return sum(values) / len(values) if values else None


def clip(text: str, limit: int) -> str:
    r"""At most `limit` characters of a text, head and tail kept, with a note of how much is missing between.

    >>> clip("abcdefghij", 100)
    'abcdefghij'
    >>> clip("a" * 50 + "b" * 50, 20)
    'aaaaaaaaaaaaaa\n[… 80 of 100 characters left out of this report …]\nbbbbbb'
    """
    if len(text) <= limit:
        return text
    tail = limit // 3
    head = limit - tail
    missing = len(text) - head - tail
    return f"{text[:head]}\n[… {missing} of {len(text)} characters left out of this report …]\n{text[-tail:]}"


def clip_line(text: str, limit: int) -> str:
    r"""One line of at most `limit` characters.

    >>> clip_line("one  two\nthree", 9)
    'one two …'
    """
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def json_number(value: float) -> float | None:
    """The value, or None where JSON has no word for it."""
    return value if math.isfinite(value) else None
