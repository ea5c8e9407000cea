"""The heat map of a matrix as inline SVG text: HumanRank by model and scaffold, and gains over the first model."""

from typing import Final

from markupsafe import Markup

from sandmle.core.engine.matrix_table import Gain, Matrix, MatrixCell
from sandmle.core.engine.matrix_text import relative
from sandmle.plugins.reports import numbers

_GUTTER: Final = 130
"""Room for the models' names at the left."""
_HEAD: Final = 24
_WIDE: Final = 116
_HIGH: Final = 54
_LABEL_CHARS: Final = 18
_DARKEST: Final = 0.62
"""Opacity at HumanRank 1: text stays readable on it."""


def heat_map(matrix: Matrix) -> Markup:
    """A square per cell, the darker the higher its HumanRank; a dot marks what the model was trained under."""
    width = _GUTTER + _WIDE * len(matrix.scaffolds)
    height = _HEAD + _HIGH * len(matrix.models)
    body = [
        _text(_GUTTER + _WIDE * (column + 0.5), _HEAD - 8, name, "middle", "small")
        for column, name in enumerate(matrix.scaffolds)
    ]
    for row, model in enumerate(matrix.models):
        top = _HEAD + _HIGH * row
        body.append(_text(_GUTTER - 8, top + _HIGH / 2 + 4, model.name, "end", ""))
        for column, scaffold in enumerate(matrix.scaffolds):
            body.append(_square(matrix.cell(model.name, scaffold), _GUTTER + _WIDE * column, top))
    said = "; ".join(_said(cell) for cell in matrix.cells)
    tag = Markup('<svg viewBox="0 0 {} {}" width="{}" height="{}" role="img" aria-label="{}">{}</svg>')
    return tag.format(width, height, width, height, f"HumanRank by model and scaffold. {said}", Markup("").join(body))


def _square(cell: MatrixCell, left: float, top: float) -> Markup:
    rank, middle = cell.measures["human_rank"].mean, left + _WIDE / 2
    opacity = _DARKEST * min(1.0, max(0.0, rank)) if numbers.is_finite(rank) else 0.0
    html = [
        Markup(
            '<rect x="{}" y="{}" width="{}" height="{}" class="heat" fill-opacity="{}"><title>{}</title></rect>'
        ).format(left + 1, top + 1, _WIDE - 2, _HIGH - 2, f"{opacity:.3f}", _said(cell)),
        _text(middle, top + 23, numbers.fixed(rank) if cell.episodes else "not run", "middle", "num"),
    ]
    gain = cell.gains.get("human_rank")
    if gain is not None and gain.difference.tasks:
        html.append(_text(middle, top + 39, _gained(gain), "middle", "small"))
    if cell.trained_under:
        html.append(
            Markup('<circle cx="{}" cy="{}" r="4" class="taught"><title>trained under {} ({})</title></circle>').format(
                left + _WIDE - 10, top + 10, cell.scaffold, ", ".join(cell.trained_under)
            )
        )
    return Markup("").join(html)


def _gained(gain: Gain) -> str:
    """Such as `+0.120 (+40 %)`, with a mark where the interval does not hold zero."""
    decided = "" if gain.verdict == "not told from zero" else " *"
    return f"{numbers.signed(gain.difference.mean)} ({relative(gain.relative.mean)}){decided}"


def _said(cell: MatrixCell) -> str:
    rank, gain = cell.measures["human_rank"], cell.gains.get("human_rank")
    words = f"{cell.name} under {cell.scaffold}: {numbers.fixed(rank.mean)}"
    words += f" ({numbers.fixed(rank.low)} to {numbers.fixed(rank.high)})"
    if gain is not None:
        words += f", {numbers.signed(gain.difference.mean)} over the first model, {gain.verdict}"
    return words + (f", trained under it ({', '.join(cell.trained_under)})" if cell.trained_under else "")


def _text(x: float, y: float, text: str, anchor: str, css: str) -> Markup:
    tag = Markup('<text x="{}" y="{}" text-anchor="{}" class="{}">{}<title>{}</title></text>')
    return tag.format(round(x, 1), round(y, 1), anchor, css, numbers.clip_line(text, _LABEL_CHARS), text)
