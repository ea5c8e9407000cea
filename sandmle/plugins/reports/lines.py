"""Line charts as inline SVG text: a few series over steps. Colours and dashes come from the page's CSS classes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from sandmle.plugins.reports import numbers

_WIDTH: Final = 440
_HEIGHT: Final = 190
_LEFT: Final = 46
_TOP: Final = 10
_RIGHT: Final = 12
_BOTTOM: Final = 34
_SPOKEN: Final = 6
"""Values of a series that the alternative text says; the table below the charts has all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One series."""

    label: str
    points: Sequence[tuple[float, float]]
    """(x, y), all finite, by x."""
    css: str
    rings: bool = False
    """Drawn as rings that nothing joins, for values that are measured only now and then."""


def lines(title: str, series: Sequence[Line], *, unit: str, low: float = 0.0, high: float | None = None) -> Markup:
    """A line per series, with a mark at each point.

    Args:
        title: begins the alternative text.
        series: those without a point are only named in the alternative text.
        unit: of the x axis, such as `step`.
        low: where the y axis begins, or lower where a value is.
        high: where it ends, or higher where a value is; by default at the highest value.
    """
    xs = [x for one in series for x, _ in one.points]
    ys = [y for one in series for _, y in one.points]
    floor = min([low, *ys])
    top = max([*ys, *([] if high is None else [high])], default=1.0)
    plane = _Plane(
        x_low=min(xs, default=0.0),
        x_high=max(xs, default=1.0),
        y_low=floor,
        y_high=top if top > floor else floor + 1.0,
    )
    body = [_grid(plane, unit), *(_drawn(one, plane) for one in series if one.points)]
    said = "; ".join(f"{one.label}: {_spoken(one.points, unit)}" for one in series)
    tag = Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>')
    return tag.format(_WIDTH, _HEIGHT, f"{title}. {said}", Markup("").join(body))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plane:
    x_low: float
    x_high: float
    y_low: float
    y_high: float

    def x(self, value: float) -> float:
        span = self.x_high - self.x_low
        share = 0.5 if span <= 0 else (value - self.x_low) / span
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        return _TOP + (self.y_high - value) / (self.y_high - self.y_low) * (_HEIGHT - _TOP - _BOTTOM)


def _grid(plane: _Plane, unit: str) -> Markup:
    html = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        value = plane.y_low + share * (plane.y_high - plane.y_low)
        y = plane.y(value)
        html.append(
            Markup('<line x1="{}" y1="{}" x2="{}" y2="{}" class="grid"/>').format(_LEFT, _n(y), _WIDTH - _RIGHT, _n(y))
        )
        html.append(_text(_LEFT - 6, y + 4, f"{value:.3g}", "end"))
    bottom = _HEIGHT - _BOTTOM + 14
    for value in dict.fromkeys((plane.x_low, plane.x_high)):
        html.append(_text(plane.x(value), bottom, f"{value:g}", "middle"))
    html.append(_text((_LEFT + _WIDTH - _RIGHT) / 2, bottom + 14, unit, "middle"))
    return Markup("").join(html)


def _drawn(one: Line, plane: _Plane) -> Markup:
    places = [(_n(plane.x(x)), _n(plane.y(y))) for x, y in one.points]
    html = []
    if not one.rings:
        path = " ".join(f"{x},{y}" for x, y in places)
        html.append(Markup('<polyline points="{}" class="line {}"/>').format(path, one.css))
    for (x, y), (step, value) in zip(places, one.points, strict=True):
        tag = Markup('<circle cx="{}" cy="{}" r="{}" class="{} {}"><title>{}, {:g}: {}</title></circle>')
        kind, radius = ("ring", "4.5") if one.rings else ("mark", "2.8")
        html.append(tag.format(x, y, radius, kind, one.css, one.label, step, numbers.fixed(value)))
    return Markup("").join(html)


def _spoken(points: Sequence[tuple[float, float]], unit: str) -> str:
    """First, last and some between, so that a long curve is still a sentence."""
    if not points:
        return "no value"
    last = len(points) - 1
    chosen = sorted({round(n * last / (_SPOKEN - 1)) for n in range(_SPOKEN)})
    return ", ".join(f"{numbers.fixed(points[at][1])} at {unit} {points[at][0]:g}" for at in chosen)


def _text(x: float, y: float, text: str, anchor: str) -> Markup:
    tag = Markup('<text x="{}" y="{}" text-anchor="{}" class="small">{}</text>')
    return tag.format(_n(x), _n(y), anchor, text)


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
