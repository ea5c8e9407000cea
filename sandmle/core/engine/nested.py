"""Means over families, tasks and episodes, with bootstrap intervals that resample all three levels.

`evaluation.py` resamples tasks: right for a set of tasks taken as given. What a policy does on rules it has never
seen depends first on which rules these were, so here families are drawn first, then tasks within them, then episodes
within these. With a handful of families such intervals are wide, as they should be.
"""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sandmle.core.types.report import Estimate

RESAMPLES: Final = 1000
INTERVAL: Final = (0.025, 0.975)

Tree = Mapping[str, Mapping[str, Sequence[float]]]
"""Family to task to the values of its episodes; none of them empty."""
Array = npt.NDArray[Any]


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
    _same_tasks(ours, theirs)
    if not ours:
        return _nothing()
    first, second = _resampled([ours, theirs])
    return _estimate(_mean(ours) - _mean(theirs), first - second, ours)


def nested_relative(ours: Tree, theirs: Tree) -> Estimate:
    """The difference as a share of their mean, of a measure that is never negative; drawn as for the difference.

    Where they have 0 and we have more, the gain is infinite; where both have 0, it is 0.

    Raises:
        ValueError: the tasks differ.
    """
    _same_tasks(ours, theirs)
    if not ours:
        return _nothing()
    first, second = _resampled([ours, theirs])
    [mean] = _relative(np.array([_mean(ours)]), np.array([_mean(theirs)]))
    return _estimate(float(mean), _relative(first, second), ours)


def verdict(difference: Estimate) -> str:
    """What the interval of a difference allows to say, in words."""
    if difference.tasks == 0:
        return "not measured"
    if difference.low > 0 or difference.high < 0:
        return "above zero" if difference.mean > 0 else "below zero"
    return "not told from zero"


def common(ours: Tree, theirs: Tree) -> tuple[Tree, Tree]:
    """Both without the tasks on which only one has a value."""

    def cut(tree: Tree, other: Tree) -> Tree:
        kept = {
            family: {task: values for task, values in tasks.items() if task in other.get(family, {})}
            for family, tasks in tree.items()
        }
        return {family: tasks for family, tasks in kept.items() if tasks}

    return cut(ours, theirs), cut(theirs, ours)


def _resampled(arms: Sequence[Tree]) -> list[Array]:
    """Means of each arm on the same resamples of families and tasks; the seed is fixed, so equal input gives equal."""
    names = _names(arms[0])
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, len(names), size=(RESAMPLES, len(names)))
    totals = [np.zeros(RESAMPLES) for _ in arms]
    tasks_drawn = np.zeros(RESAMPLES)
    for number, (family, tasks) in enumerate(names.items()):
        # One row for each time that the family was drawn: the resample that drew it.
        rows = np.repeat(np.arange(RESAMPLES), (drawn == number).sum(axis=1))
        chosen = rng.integers(0, len(tasks), size=(len(rows), len(tasks)))
        tasks_drawn += np.bincount(rows, minlength=RESAMPLES) * len(tasks)
        for total, arm in zip(totals, arms, strict=True):
            sums = _redrawn([arm[family][task] for task in tasks], chosen, rng).sum(axis=1)
            total += np.bincount(rows, weights=sums, minlength=RESAMPLES)
    return [total / tasks_drawn for total in totals]


def _redrawn(episodes: Sequence[Sequence[float]], chosen: Array, rng: np.random.Generator) -> Array:
    """The mean of each chosen task over as many episodes as it has, drawn anew each time: the shape of `chosen`."""
    sizes = np.array([len(values) for values in episodes])
    padded = np.zeros((len(episodes), sizes.max()))
    for row, values in zip(padded, episodes, strict=True):
        row[: len(values)] = values
    size = sizes[chosen][..., None]
    picked = (rng.random((*chosen.shape, sizes.max())) * size).astype(int)
    inside = np.arange(sizes.max()) < size
    return np.asarray((padded[chosen[..., None], picked] * inside).sum(axis=2) / size[..., 0])


def _relative(ours: Array, theirs: Array) -> Array:
    gain = np.where(ours > 0, np.inf, 0.0)
    return np.asarray(np.divide(ours - theirs, theirs, out=gain, where=theirs != 0))


def _same_tasks(ours: Tree, theirs: Tree) -> None:
    if _names(ours) != _names(theirs):
        raise ValueError("only arms on the same tasks can be compared")


def _names(values: Tree) -> dict[str, list[str]]:
    return {family: sorted(tasks) for family, tasks in sorted(values.items())}


def _mean(values: Tree) -> float:
    # Summed in the order of names, so that the last digit does not depend on the order of the records.
    names = _names(values)
    return fmean(fmean(values[family][task]) for family, tasks in names.items() for task in tasks)


def _estimate(mean: float, means: Array, values: Tree) -> Estimate:
    ordered = np.sort(means)
    low, high = (float(ordered[min(len(ordered) - 1, int(share * len(ordered)))]) for share in INTERVAL)
    return Estimate(mean=mean, low=low, high=high, tasks=sum(map(len, values.values())))


def _nothing() -> Estimate:
    nan = float("nan")
    return Estimate(mean=nan, low=nan, high=nan, tasks=0)
