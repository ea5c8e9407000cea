"""A run's figures as text, and as an SVG drawing without a plotting package."""

import math
from collections.abc import Mapping
from typing import Any, Final
from xml.sax.saxutils import escape

from sandbox_parts.figures import SESSION, median
from sandbox_parts.judging import BARE, COLUMNS

_WIDTH, _ROW, _LEFT, _TOP = 760, 28, 260, 40
_COLOUR: Final = "#1b6ca8"


def table(document: Mapping[str, Any]) -> str:
    """One line a way: medians with the middle half, and its session over bare exec."""
    rows = document["rows"]
    bare = median(rows, BARE, SESSION)
    head = [f"{'ms, median (middle half)':<34}", *(f"{what:>26}" for what in COLUMNS), f"{'session / bare':>16}"]
    lines = ["".join(head)]
    for way in rows:
        own = median(rows, way, SESSION)
        ratio = f"{own / bare:.2f}" if own and bare else "-"
        lines.append(f"{way:<34}{''.join(f'{_cell(rows[way].get(what)):>26}' for what in COLUMNS)}{ratio:>16}")
    for one in document.get("crowds", []):
        lines.append(
            f"{one['concurrent']:>4} sessions alive at once: {one['sessions_per_s']:.1f} sessions/s, "
            f"{one['failures']} failures of {one['sessions']}"
        )
    for way, found in document.get("density", {}).items():
        for when in ("idle", "after six cells"):
            each = found[when]
            lines.append(
                f"{way}, {when}: {each['pss_mib']:.2f} MiB each, {each['per_gib']:.0f} per GiB "
                f"({each['per_gib_of_machine']:.0f} by the machine's free memory)"
            )
    if soak := document.get("soak"):
        first, last = soak["laps"][0], soak["laps"][-1]
        lines.append(
            f"soak of {soak['sessions']} sessions: {first['cpu_ms']:.1f} ms of processor each in the first tenth, "
            f"{last['cpu_ms']:.1f} in the last; {'; '.join(soak['problems']) or 'nothing grew'}"
        )
    return "\n".join(lines)


def svg(document: Mapping[str, Any]) -> str:
    """The session of six cells by way, on a logarithmic axis."""
    bars = [(way, value) for way in document["rows"] if (value := median(document["rows"], way, SESSION)) is not None]
    bars.sort(key=lambda one: one[1])
    low = math.floor(math.log10(min((value for _, value in bars), default=1.0)))
    high = math.ceil(math.log10(max((value for _, value in bars), default=10.0)))
    scale = (_WIDTH - _LEFT - 90) / max(1, high - low)
    parts = [f'<text x="{_LEFT}" y="20" font-weight="bold">Session of six cells, start and end included (ms)</text>']
    bottom = _TOP + _ROW * len(bars)
    for power in range(low, high + 1):
        x = round(_LEFT + (power - low) * scale, 1)
        parts.append(f'<line x1="{x}" y1="{_TOP - 8}" x2="{x}" y2="{bottom}" stroke="#ddd"/>')
        parts.append(f'<text x="{x}" y="{bottom + 16}" text-anchor="middle">{10.0**power:g}</text>')
    for number, (way, value) in enumerate(bars):
        y, wide = _TOP + _ROW * number, max(1.0, (math.log10(value) - low) * scale)
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 15}" text-anchor="end">{escape(way)}</text>')
        parts.append(f'<rect x="{_LEFT}" y="{y + 2}" width="{wide:.1f}" height="{_ROW - 10}" fill="{_COLOUR}"/>')
        parts.append(f'<text x="{_LEFT + wide + 6:.1f}" y="{y + 15}">{value:,.1f}</text>')
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {bottom + 30}" font-family="sans-serif"'
    return head + ' font-size="12">\n' + "\n".join(parts) + "\n</svg>\n"


def _cell(row: Mapping[str, float] | None) -> str:
    if row is None:
        return "-"
    return f"{_short(row['median_ms'])} ({_short(row['quarter_ms'])}-{_short(row['three_quarters_ms'])})"


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
