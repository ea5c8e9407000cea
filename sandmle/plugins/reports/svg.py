"""Small charts as inline SVG text. Colours come from the page's CSS classes, so they follow light and dark.

Coordinates are attributes: the page's policy forbids style attributes. Text from records is escaped.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from sandmle.plugins.reports import numbers

_ROW: Final = 20
_GUTTER: Final = 124
"""Room for row labels at the left."""
_LABEL_CHARS: Final = 17


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """Width of a chart and of the room at its right for row values. Units are about a CSS pixel each."""

    width: int
    right: int

    @property
    def end(self) -> int:
        return self.width - self.right


_BARS: Final = _Frame(width=400, right=48)
_STACKS: Final = _Frame(width=440, right=80)
_COUNTS: Final = _Frame(width=400, right=40)
_STRIP: Final = _Frame(width=440, right=52)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A value with an interval, as one row of a bar chart."""

    label: str
    value: float
    low: float
    high: float
    css: str
    """Class that colours the bar."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """Parts that add up, as one row of a stacked bar chart."""

    label: str
    parts: Mapping[str, float]
    total: str
    """What stands at the end of the row."""


def bars(title: str, rows: Sequence[Bar]) -> Markup:
    """Horizontal bars from 0 with error bars; the axis reaches 1, or further when a value does."""
    finite = [edge for row in rows for edge in (row.value, row.low, row.high) if numbers.is_finite(edge)]
    low, high = min([0.0, *finite]), max([1.0, *finite])
    scale = _Scale(frame=_BARS, low=low, high=high)
    body, top = [_axis(scale, 4, 4 + _ROW * len(rows))], 4
    for row in rows:
        middle = top + _ROW / 2
        body.append(_row_label(row.label, middle))
        body.append(_text(_BARS.width - 2, middle + 4, numbers.fixed(row.value), "end", "num"))
        if numbers.is_finite(row.value):
            left, right = sorted((scale.at(0), scale.at(row.value)))
            body.append(_rect(left, top + 4, right - left, _ROW - 8, row.css))
        if numbers.is_finite(row.low) and numbers.is_finite(row.high):
            start, end = scale.at(row.low), scale.at(row.high)
            body.append(_line(start, middle, end, middle, "whisker"))
            body.extend(_line(x, middle - 4, x, middle + 4, "whisker") for x in (start, end))
        top += _ROW
    described = "; ".join(
        f"{row.label}: {numbers.fixed(row.value)} ({numbers.fixed(row.low)} to {numbers.fixed(row.high)})"
        for row in rows
    )
    return _svg(_BARS, f"{title}. {described}", top + 18, body)


def stacked(title: str, rows: Sequence[Stack], css: Mapping[str, str]) -> Markup:
    """Horizontal stacked bars; parts that are negative or not finite are left out of the drawing."""
    sums = [sum(value for value in row.parts.values() if numbers.is_finite(value) and value > 0) for row in rows]
    scale = _Scale(frame=_STACKS, low=0.0, high=max([*sums, 0.0]) or 1.0)
    body, top = [], 4
    for row in rows:
        middle, x = top + _ROW / 2, scale.at(0)
        body.append(_row_label(row.label, middle))
        for name, value in row.parts.items():
            if numbers.is_finite(value) and value > 0:
                width = scale.at(value) - scale.at(0)
                body.append(_rect(x, top + 3, width, _ROW - 6, css[name], f"{name}: {numbers.score(value, 3)}"))
                x += width
        body.append(_text(_STACKS.width - 2, middle + 4, row.total, "end", "num"))
        top += _ROW
    said = [
        f"{row.label}: " + ", ".join(f"{name} {numbers.score(value, 3)}" for name, value in row.parts.items())
        for row in rows
    ]
    return _svg(_STACKS, f"{title}. {'; '.join(said)}", top + 4, body)


def counts(title: str, rows: Sequence[tuple[str, int]]) -> Markup:
    """Horizontal bars of counts, one colour."""
    scale = _Scale(frame=_COUNTS, low=0.0, high=float(max([count for _, count in rows] or [1]) or 1))
    body, top = [], 2
    for label, count in rows:
        middle = top + _ROW / 2
        body.append(_row_label(label, middle))
        body.append(_rect(scale.at(0), top + 4, scale.at(count) - scale.at(0), _ROW - 8, "plain"))
        body.append(_text(scale.at(count) + 6, middle + 4, str(count), "start", "num"))
        top += _ROW
    return _svg(_COUNTS, f"{title}. " + "; ".join(f"{label}: {count}" for label, count in rows), top + 2, body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One agent's scores on a task, for the strip plot."""

    label: str
    scores: tuple[float, ...]
    invalid: int
    """Episodes without a valid score, noted at the end of the lane."""
    css: str


def strip(
    title: str, board: Sequence[float], lines: Mapping[str, float], lanes: Sequence[Lane], *, maximize: bool
) -> Markup:
    """Board and agents' scores on one axis, better to the right, with a line per medal threshold.

    The axis covers the thresholds and everything within three times the distance from median to gold below
    the median (a dummy's log loss would squeeze the rest into a point); what lies beyond stands at the edge.
    """
    scale = _strip_scale(board, lines, lanes, maximize)
    head = 12 * len(lines) + 6
    bottom = head + _ROW * (1 + len(lanes))
    body = [_rect(_GUTTER, head, _STRIP.end - _GUTTER, bottom - head, "plot")]
    for depth, (name, value) in enumerate(lines.items()):
        if numbers.is_finite(value):
            x = scale.at(value)
            body.append(_line(x, 12 * depth + 8, x, bottom, f"medal-line m-{name}"))
            late = x > (_STRIP.end + _GUTTER) / 2
            label = f"{name} {numbers.score(value)}"
            body.append(_text(x - 4 if late else x + 4, 12 * depth + 12, label, "end" if late else "start", "small"))
    body.append(_row_label("board", head + _ROW / 2))
    for value in (value for value in board if numbers.is_finite(value)):
        x = scale.at(value)
        body.append(_line(x, head + 4, x, head + _ROW - 4, "tick"))
    for number, lane in enumerate(lanes):
        body.extend(_lane(lane, scale, head + _ROW * (number + 1.5)))
    worst, best = (scale.low, scale.high) if maximize else (-scale.low, -scale.high)
    beyond = sum(scale.sign * value < scale.low for value in (*board, *(one for lane in lanes for one in lane.scores)))
    note = f" ({beyond} worse, at the edge)" if beyond else ""
    body.append(_text(_GUTTER, bottom + 14, numbers.score(worst, 4) + note, "start", "small"))
    body.append(_text(_STRIP.end, bottom + 14, f"{numbers.score(best, 4)} better →", "end", "small"))
    described = "; ".join(
        [f"{name} {numbers.score(value)}" for name, value in lines.items()]
        + [f"{lane.label}: {', '.join(map(numbers.score, lane.scores)) or 'no valid score'}" for lane in lanes]
    )
    return _svg(_STRIP, f"{title}. {len(board)} board scores; {described}", bottom + 20, body)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scale:
    frame: _Frame
    low: float
    high: float
    sign: float = 1.0
    """-1 turns the axis around, for metrics that are better when lower."""

    def at(self, value: float) -> float:
        span = self.high - self.low
        share = 0.5 if span <= 0 else min(1.0, max(0.0, (self.sign * value - self.low) / span))
        return _GUTTER + share * (self.frame.end - _GUTTER)


def _strip_scale(board: Sequence[float], lines: Mapping[str, float], lanes: Sequence[Lane], maximize: bool) -> _Scale:
    sign = 1.0 if maximize else -1.0
    marks = [sign * value for value in lines.values() if numbers.is_finite(value)]
    seen = [*board, *(value for lane in lanes for value in lane.scores)]
    points = sorted([sign * value for value in seen if numbers.is_finite(value)] + marks)
    if not points:
        return _Scale(frame=_STRIP, low=0.0, high=1.0, sign=sign)
    reach = 3 * (max(marks) - min(marks)) if len(marks) > 1 else 0.0
    low = max(points[0], min(marks) - reach) if reach > 0 else points[0]
    high = min(points[-1], max(marks) + reach) if reach > 0 else points[-1]
    pad = 0.04 * (high - low)
    return _Scale(frame=_STRIP, low=low - pad, high=high + pad, sign=sign)


def _lane(lane: Lane, scale: _Scale, middle: float) -> list[Markup]:
    html = [_row_label(lane.label, middle)]
    drawn = [value for value in lane.scores if numbers.is_finite(value)]
    # Equal scores would hide one another, so episodes stand a little apart within their lane.
    apart = min(4.0, (_ROW - 9) / max(1, len(drawn)))
    for number, value in enumerate(drawn):
        y = middle + (number - (len(drawn) - 1) / 2) * apart
        html.append(
            Markup('<circle cx="{}" cy="{}" r="4" class="mark {}"><title>{}: {}</title></circle>').format(
                _n(scale.at(value)), _n(y), lane.css, lane.label, numbers.score(value)
            )
        )
    if lane.invalid:
        html.append(_text(_STRIP.width - 2, middle + 4, f"{lane.invalid} invalid", "end", "small"))
    return html


def _svg(frame: _Frame, label: str, height: float, body: Sequence[Markup]) -> Markup:
    tag = Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>')
    return tag.format(frame.width, _n(height), label, Markup("").join(body))


def _axis(scale: _Scale, top: float, bottom: float) -> Markup:
    html = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        value = scale.low + share * (scale.high - scale.low)
        x = scale.at(value)
        html.append(_line(x, top, x, bottom, "grid"))
        html.append(_text(x, bottom + 14, f"{value:.3g}", "middle", "small"))
    return Markup("").join(html)


def _row_label(label: str, middle: float) -> Markup:
    short = numbers.clip_line(label, _LABEL_CHARS)
    tag = Markup('<text x="{}" y="{}" text-anchor="end">{}<title>{}</title></text>')
    return tag.format(_GUTTER - 8, _n(middle + 4), short, label)


def _rect(x: float, y: float, width: float, height: float, css: str, title: str = "") -> Markup:
    inner = Markup("<title>{}</title>").format(title) if title else Markup("")
    tag = Markup('<rect x="{}" y="{}" width="{}" height="{}" class="{}">{}</rect>')
    return tag.format(_n(x), _n(y), _n(width), _n(height), css, inner)


def _line(x1: float, y1: float, x2: float, y2: float, css: str) -> Markup:
    return Markup('<line x1="{}" y1="{}" x2="{}" y2="{}" class="{}"/>').format(_n(x1), _n(y1), _n(x2), _n(y2), css)


def _text(x: float, y: float, text: str, anchor: str, css: str) -> Markup:
    tag = Markup('<text x="{}" y="{}" text-anchor="{}" class="{}">{}</text>')
    return tag.format(_n(x), _n(y), anchor, css, text)


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
