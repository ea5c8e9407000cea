"""Searching representations and models by cross-validation."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import clone

from sandmle.plugins.llms.offline.agent.snippets.measure import quality
from sandmle.plugins.llms.offline.agent.snippets.validate import out_of_fold, predict

Array = npt.NDArray[np.float64]


def search(
    candidates: Sequence[tuple[str, Any, tuple[Any, Any]]], target: Array, n_classes: int, metric: str, folds: int
) -> list[tuple[float, str, Any, tuple[Any, Any], Array]]:
    """Cross-validate every (name, model, (train, test) features), best first."""
    found = []
    for name, model, (features, test_features) in candidates:
        held_out = out_of_fold(model, features, target, n_classes, folds)
        value = quality(metric, target, held_out)
        print(f"CV {name}: {value:.4f}")
        found.append((value, name, model, (features, test_features), held_out))
    return sorted(found, key=lambda one: -one[0])


def fit_blend(
    ranked: Sequence[tuple[float, str, Any, tuple[Any, Any], Array]],
    weights: dict[int, float],
    target: Array,
    n_classes: int,
) -> tuple[Array, Array]:
    """Held-out and test predictions of the blend."""
    held_out = sum(weight * ranked[at][4] for at, weight in weights.items())
    test = sum(
        weight * predict(clone(ranked[at][2]).fit(ranked[at][3][0], target), ranked[at][3][1], n_classes)
        for at, weight in weights.items()
    )
    return np.asarray(held_out), np.asarray(test)
