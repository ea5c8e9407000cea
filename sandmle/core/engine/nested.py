"""Means over families, tasks and episodes, with bootstrap intervals that resample all three levels.

`evaluation.py` resamples tasks: right for a set of tasks taken as given. What a policy does on rules it has never
seen depends first on which rules these were, so here families are drawn first, then tasks within them, then episodes
within these. With a handful of families such intervals are wide, as they should be.
"""

import random
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Final

from sandmle.core.types.report import Estimate

RESAMPLES: Final = 1000
INTERVAL: Final = (0.025, 0.975)

Tree = Mapping[str, Mapping[str, Sequence[float]]]
"""Family to task to the values of its episodes; none of them empty."""


def nested_estimate(values: Tree) -> Estimate:
    """Mean over tasks of the mean over their episodes; NaN over 0 tasks when there is none."""
    if not values:
        return _nothing()
    [means] = _resampled([values])
    return _estimate(_mean(values), means, values)


def nested_difference(ours: Tree, theirs: Tree) -> Estimate:
    """Of two arms on the same tasks: the same families and tasks are drawn for both, episodes for each on its own.

    Raises:
        ValueError: the tasks differ.
    """
    if _names(ours) != _names(theirs):
        raise ValueError("only arms on the same tasks can be compared")
    if not ours:
        return _nothing()
    first, second = _resampled([ours, theirs])
    return _estimate(_mean(ours) - _mean(theirs), [a - b for a, b in zip(first, second, strict=True)], ours)


def _resampled(arms: Sequence[Tree]) -> list[list[float]]:
    """Means of each arm on the same resamples of families and tasks; the seed is fixed, so equal input gives equal."""
    names = _names(arms[0])
    families = list(names)
    rng = random.Random(0)
    found: list[list[float]] = [[] for _ in arms]
    for _ in range(RESAMPLES):
        drawn = [
            (family, task)
            for family in rng.choices(families, k=len(families))
            for task in rng.choices(names[family], k=len(names[family]))
        ]
        for arm, means in zip(arms, found, strict=True):
            means.append(fmean(fmean(_redrawn(arm[family][task], rng)) for family, task in drawn))
    return found


def _redrawn(values: Sequence[float], rng: random.Random) -> Sequence[float]:
    return values if len(values) == 1 else rng.choices(values, k=len(values))


def _names(values: Tree) -> dict[str, list[str]]:
    return {family: sorted(tasks) for family, tasks in sorted(values.items())}


def _mean(values: Tree) -> float:
    return fmean(fmean(episodes) for tasks in values.values() for episodes in tasks.values())


def _estimate(mean: float, means: Sequence[float], values: Tree) -> Estimate:
    ordered = sorted(means)
    low, high = (ordered[min(len(ordered) - 1, int(share * len(ordered)))] for share in INTERVAL)
    return Estimate(mean=mean, low=low, high=high, tasks=sum(map(len, values.values())))


def _nothing() -> Estimate:
    nan = float("nan")
    return Estimate(mean=nan, low=nan, high=nan, tasks=0)
