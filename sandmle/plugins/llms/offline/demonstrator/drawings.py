"""Draws a corpus as SVG, without a plotting package: shares beside a mix, and how steady the boards are."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

from sandmle.core.engine.corpus_makeup import Makeup
from sandmle.core.errors import UsageError
from sandmle.core.types.task import TaskSpec

WIDTH: Final = 640
LEFT: Final = 230
LINE: Final = 22
BINS: Final = 20
_HAVE, _WANT = "#1b6ca8", "#b3541e"


def write_drawings(folder: Path, makeup: Makeup, specs: Sequence[TaskSpec], mix: str) -> list[Path]:
    """Write one drawing per margin of the mix, one of the rule families, and one of the boards' steadiness.

    Raises:
        UsageError: the folder cannot be written.
    """
    drawings = {
        margin.replace(" ", "-"): bars(margin, _shares(makeup, margin, wanted), {n: 100 * s for n, s in wanted.items()})
        for margin, wanted in makeup.mixes[mix].items()
    }
    families = makeup.counts["rule family"]
    drawings["rule-families"] = bars("rule families, tasks", {name: float(n) for name, n in families.items()}, {})
    records = [spec.calibration for spec in specs if spec.calibration is not None]
    drawings["steadiness"] = histogram("Spearman of ranks by two halves, tasks", [one.halves for one in records])
    drawings["steadiness-top"] = histogram("the same within the better half", [one.halves_top for one in records])
    try:
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / f"{name}.svg" for name in drawings]
        for path, drawing in zip(paths, drawings.values(), strict=True):
            path.write_text(drawing, "utf-8")
    except OSError as problem:
        raise UsageError(f"cannot write drawings to {folder}: {problem.strerror}") from problem
    return paths


def _shares(makeup: Makeup, margin: str, wanted: Mapping[str, float]) -> dict[str, float]:
    names = [*wanted, *(name for name in makeup.counts[margin] if name not in wanted)]
    return {name: makeup.share(margin, name) for name in names}


def bars(title: str, values: Mapping[str, float], wanted: Mapping[str, float]) -> str:
    """A bar for every entry, and a mark where it should end."""
    most = max([1e-9, *values.values(), *wanted.values()])
    scale = (WIDTH - LEFT - 60) / most
    parts = []
    for number, (name, value) in enumerate(values.items()):
        top = 34 + number * LINE
        parts.append(f'<text x="{LEFT - 8}" y="{top + 13}" text-anchor="end">{escape(name)}</text>')
        parts.append(f'<rect x="{LEFT}" y="{top}" width="{value * scale:.1f}" height="{LINE - 6}" fill="{_HAVE}"/>')
        parts.append(f'<text x="{LEFT + value * scale + 6:.1f}" y="{top + 13}">{value:.1f}</text>')
        if name in wanted:
            at = LEFT + wanted[name] * scale
            parts.append(f'<path d="M{at:.1f} {top - 2}V{top + LINE - 4}" stroke="{_WANT}" stroke-width="3"/>')
    note = " (marks: the mix)" if wanted else ""
    return _document(f"{title}{note}", parts, 44 + LINE * max(1, len(values)))


def histogram(title: str, values: Sequence[float]) -> str:
    """How many values lie in each of twenty bins from 0 to 1; what is below 0 counts as 0."""
    counts = [0] * BINS
    for value in values:
        counts[min(BINS - 1, max(0, int(value * BINS)))] += 1
    width, most = (WIDTH - 80) / BINS, max(1, *counts)
    parts = []
    for number, count in enumerate(counts):
        height = 180 * count / most
        left = 50 + number * width
        place = f'x="{left:.1f}" y="{220 - height:.1f}" width="{width - 2:.1f}" height="{height:.1f}"'
        parts.append(f'<rect {place} fill="{_HAVE}"/>')
        if count:
            parts.append(f'<text x="{left + width / 2:.1f}" y="{214 - height:.1f}" text-anchor="middle">{count}</text>')
    parts += [
        f'<text x="{50 + share * (WIDTH - 80):.1f}" y="238" text-anchor="middle">{share:g}</text>'
        for share in (0, 0.25, 0.5, 0.75, 1)
    ]
    return _document(title, parts, 250)


def _document(title: str, parts: Sequence[str], height: int) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif"'
    body = "\n".join([f'<text x="12" y="20" font-weight="bold">{escape(title)}</text>', *parts])
    return f'{head} font-size="12">\n<rect width="{WIDTH}" height="{height}" fill="white"/>\n{body}\n</svg>\n'
