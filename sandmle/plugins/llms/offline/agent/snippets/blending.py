"""Blending what validates best, and choosing classes for the metric at hand."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sandmle.plugins.llms.offline.agent.snippets.measure import label_quality, quality

Array = npt.NDArray[np.float64]


def blend(
    ranked: Sequence[tuple[float, str, Any, tuple[Any, Any], Array]], target: Array, metric: str, steps: int
) -> dict[int, float]:
    """Greedy forward selection with replacement on held-out predictions: position to weight."""
    chosen: list[int] = [0]
    total = ranked[0][4].copy()
    best = quality(metric, target, total)
    for _ in range(steps - 1):
        tries = [quality(metric, target, (total + one[4]) / (len(chosen) + 1)) for one in ranked]
        at = int(np.argmax(tries))
        if tries[at] <= best:
            break
        best = tries[at]
        chosen.append(at)
        total = total + ranked[at][4]
    return {at: chosen.count(at) / len(chosen) for at in set(chosen)}


def tuned_labels(held_out: Array, test: Array, target: Array, metric: str) -> Array:
    """Class codes for the test rows: the most likely class, unless reweighted classes validate better."""
    prior = np.bincount(target.astype(int), minlength=test.shape[1]) / len(target)
    options = [np.ones_like(prior), 1 / np.sqrt(prior + 1e-9), 1 / (prior + 1e-9)]
    values = [label_quality(metric, target, (held_out * weight).argmax(axis=1).astype(float)) for weight in options]
    best = options[int(np.argmax(values))]
    if metric == "qwk":
        codes = np.arange(test.shape[1])
        means = held_out @ codes
        cuts = np.quantile(means, np.cumsum(prior)[:-1])
        ordered = np.searchsorted(cuts, means).astype(float)
        if label_quality(metric, target, ordered) > max(values):
            return np.searchsorted(cuts, test @ codes).astype(float)
    return np.asarray((test * best).argmax(axis=1), dtype=float)
