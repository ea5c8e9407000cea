"""Learning curves as an SVG drawing, without a plotting package."""

from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

WIDTH, HEIGHT, LEFT, TOP = 640, 320, 50, 20
COLOURS = ("#1b6ca8", "#b3541e", "#3a7d44", "#7b3f8c")
SMOOTHED = 5
"""Steps of the moving mean that is drawn over each step's own value."""


def svg(curves: Mapping[str, Mapping[str, Any]], measure: str = "reward") -> str:
    """One colour per arm: each training step as a dot, their moving mean as a line, validations as circles."""
    last = max([1, *(one["step"] for curve in curves.values() for one in curve["steps"])])
    parts = [_axes(last, measure)]
    for number, (name, curve) in enumerate(sorted(curves.items())):
        colour = COLOURS[number % len(COLOURS)]
        steps = [(one["step"], one[measure]) for one in curve["steps"] if one.get(measure) is not None]
        checks = [(one["step"], one[measure]) for one in curve["validations"] if one.get(measure) is not None]
        parts += [f'<circle cx="{x}" cy="{y}" r="2" fill="{colour}" opacity=".5"/>' for x, y in _places(steps, last)]
        line = " ".join(f"{x},{y}" for x, y in _places(_smooth(steps), last))
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x}" cy="{y}" r="5" fill="none" stroke="{colour}"/>' for x, y in _places(checks, last)]
        parts.append(f'<text x="{LEFT + 10}" y="{TOP + 15 + 16 * number}" fill="{colour}">{escape(name)}</text>')
    body = "\n".join(parts)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif"'
    return f'{head} font-size="12">\n{body}\n</svg>\n'


def _places(points: Sequence[tuple[int, float]], last: int) -> list[tuple[float, float]]:
    wide, high = WIDTH - LEFT - 20, HEIGHT - TOP - 40
    return [(round(LEFT + wide * x / last, 1), round(TOP + high * (1 - y), 1)) for x, y in points]


def _smooth(points: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """Each step with the mean of it and those before it."""
    windows = [points[max(0, at - SMOOTHED + 1) : at + 1] for at in range(len(points))]
    return [(window[-1][0], sum(value for _, value in window) / len(window)) for window in windows]


def _axes(last: int, measure: str) -> str:
    lines = []
    for value in (0.0, 0.25, 0.5, 0.75, 1.0):
        [(x, y), (end, _)] = _places([(0, value), (last, value)], last)
        lines.append(f'<line x1="{x}" y1="{y}" x2="{end}" y2="{y}" stroke="#ddd"/>')
        lines.append(f'<text x="{x - 8}" y="{y + 4}" text-anchor="end">{value:g}</text>')
    lines.append(
        f'<text x="{WIDTH - 20}" y="{HEIGHT - 8}" text-anchor="end">step (of {last}); {escape(measure)}</text>'
    )
    return "\n".join(lines)
