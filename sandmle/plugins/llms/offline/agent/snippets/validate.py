"""Cross-validation: every row is predicted by a model that has not seen it."""

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import clone
from sklearn.model_selection import KFold, StratifiedKFold

Array = npt.NDArray[np.float64]


def predict(model: Any, features: Any, n_classes: int) -> Array:
    """Values, or probabilities of all classes whether or not the model has seen each."""
    if not n_classes:
        return np.asarray(model.predict(features), dtype=float).reshape(-1)
    found = np.full((features.shape[0], n_classes), 1e-9)
    found[:, model.classes_.astype(int)] = model.predict_proba(features)
    return np.asarray(found / found.sum(axis=1, keepdims=True))


def out_of_fold(model: Any, features: Any, target: Array, n_classes: int, folds: int) -> Array:
    """Predictions for the training rows, each from the folds it is not in."""
    smallest = int(np.bincount(target.astype(int)).min()) if n_classes else folds
    splitter = StratifiedKFold if n_classes and smallest >= folds else KFold
    found = np.zeros((len(target), n_classes)) if n_classes else np.zeros(len(target))
    for fit, hold in splitter(folds, shuffle=True, random_state=0).split(np.zeros(len(target)), target):
        fitted = clone(model).fit(features[fit], target[fit])
        found[hold] = predict(fitted, features[hold], n_classes)
    return found
