"""How steady a board is: whether two halves of the private-board rows rank its members alike. Pure arithmetic."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Final

from sandmle.core.types.score import Direction
from sandmle.plugins.synthesizer.probes import correlation, ranks

HALVINGS: Final = 8
"""Halvings that are averaged: one alone would reject and accept by luck."""

Halves = Sequence[float | None]
"""A member's scores on both halves of each halving, one after the other."""


def steadiness(halves: Mapping[str, Halves], scores: Mapping[str, float], direction: Direction) -> dict[str, float]:
    """Mean Spearman correlation of ranks by two halves: `whole` over all members, `top` over the better half of them.

    Args:
        halves: member to its scores on halves.
        scores: member to its score on all rows, which says who is in the better half.
        direction: of the metric.
    """
    sign = -1 if direction is Direction.MAXIMIZE else 1
    order = sorted(halves, key=lambda name: (sign * scores[name], name))
    better = order[: (len(order) + 1) // 2]
    return {
        "whole": _alike([halves[name] for name in order]),
        "top": _alike([halves[name] for name in better]),
    }


def _alike(members: Sequence[Halves]) -> float:
    """Mean over the halvings in which every member has both scores; 0 where there is none."""
    found = []
    for at in range(0, len(members[0]) - 1, 2) if members else ():
        first, second = [one[at] for one in members], [one[at + 1] for one in members]
        known = [(a, b) for a, b in zip(first, second, strict=True) if a is not None and b is not None]
        if len(known) == len(members) > 1:
            found.append(correlation(ranks([a for a, _ in known]), ranks([b for _, b in known])))
    return fmean(found) if found else 0.0
