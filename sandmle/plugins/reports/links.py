"""A piece of a graph as the page shows it: one row, what is linked to it, and what is linked to that."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from markupsafe import Markup

EDGES_NAME: Final = "edges.csv"
MAX_EDGES_BYTES: Final = 2_000_000
MAX_NEAR: Final = 10
MAX_FAR: Final = 26
_SIDE: Final = 220
_LINE: Final = Markup('<line x1="{:.0f}" y1="{:.0f}" x2="{:.0f}" y2="{:.0f}" class="grid"/>')
_RINGS: Final = (58, 100)
"""Distances of the two circles from the middle."""


def draw_links(public: Path, known: Sequence[str]) -> Markup | None:
    """Draw what lies within two links of a training row; None where there is no edge list to be read.

    Args:
        public: the task's public folder.
        known: ids of the first training rows, in file order.
    """
    links = _read(public / EDGES_NAME)
    middle = next((one for one in known if 3 <= len(links.get(one, ())) <= MAX_NEAR), None)
    if middle is None:
        return None
    near = list(links[middle])
    far = list(dict.fromkeys(other for one in near for other in links[one] if other != middle and other not in near))
    far = far[:MAX_FAR]
    places = {middle: (_SIDE / 2, _SIDE / 2), **_ring(near, _RINGS[0]), **_ring(far, _RINGS[1])}
    drawn = [
        _LINE.format(*places[one], *places[other])
        for one in places
        for other in links[one]
        if other in places and one < other
    ]
    answered = set(known)
    drawn += [
        Markup('<circle cx="{:.0f}" cy="{:.0f}" r="{}" class="{}"><title>{}</title></circle>').format(
            *place, 7 if one == middle else 4, "mark s0" if one in answered else "ring s7", one
        )
        for one, place in places.items()
    ]
    count = sum(map(len, links.values())) // 2
    told = f"{count} links; row {middle}, {len(near)} rows linked to it, and {len(far)} linked to those"
    return Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        _SIDE, _SIDE, told, Markup("").join(drawn)
    )


def _ring(names: Sequence[str], distance: float) -> dict[str, tuple[float, float]]:
    turns = [2 * math.pi * (at + 0.5) / max(1, len(names)) for at in range(len(names))]
    return {
        name: (_SIDE / 2 + distance * math.cos(turn), _SIDE / 2 + distance * math.sin(turn))
        for name, turn in zip(names, turns, strict=True)
    }


def _read(path: Path) -> Mapping[str, Mapping[str, None]]:
    """Each id's neighbours, by an edge list whose first two columns are ids; empty where it cannot be read."""
    links: dict[str, dict[str, None]] = {}
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > MAX_EDGES_BYTES:
            return {}
        rows = list(csv.reader(io.StringIO(path.read_bytes().decode("utf-8", "replace"), newline="")))
    except (OSError, csv.Error):
        return {}
    for one, other, *_ in (row for row in rows[1:] if len(row) > 1):
        if one != other:
            links.setdefault(one, {})[other] = None
            links.setdefault(other, {})[one] = None
    return links
