"""Several targets at once: labels of which any may apply, or values to be restored."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image
from sklearn.base import clone
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor
from sklearn.feature_selection import SelectKBest, f_classif, f_regression
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

Array = npt.NDArray[np.float64]


def native_pictures(names: list[str], files: dict[str, str]) -> Array:
    """Grey pictures at the size they have: (rows, pixels)."""
    return np.array([np.asarray(Image.open(files[name]).convert("L"), dtype=float).ravel() for name in names])


def models_for_each(labels: bool, thorough: bool, features: int) -> list[tuple[str, Any]]:
    """Models of one target, plain first; of very many columns those few that go with it, and of many no trees."""
    few = min(12, features)
    if labels:
        plain: Any = make_pipeline(StandardScaler(), LogisticRegression(C=0.3, max_iter=400))
        picked: Any = make_pipeline(StandardScaler(), SelectKBest(f_classif, k=few), LogisticRegression(max_iter=400))
        trees: Any = ExtraTreesClassifier(50, min_samples_leaf=2, random_state=0)
    else:
        plain = make_pipeline(StandardScaler(), RidgeCV(np.logspace(0, 4, 9)))
        picked = make_pipeline(StandardScaler(), SelectKBest(f_regression, k=few), RidgeCV(np.logspace(-1, 3, 9)))
        trees = ExtraTreesRegressor(40, min_samples_leaf=2, random_state=0)
    if features > 300:
        return [("picked", picked)]
    found = [("linear", plain), ("picked", picked)] + ([("trees", trees)] if features <= 150 else [])
    return found if thorough else found[:1]


def predict_one(model: Any, features: Array, target: Array, asked: Array, labels: bool) -> Array:
    """Values, or probabilities of 1; of a target without two values, that value."""
    if len(set(target)) < 2:
        return np.full(len(asked), float(target.mean()))
    fitted = clone(model).fit(features, target)
    return np.asarray(fitted.predict_proba(asked)[:, 1] if labels else fitted.predict(asked), dtype=float)


def predict_each(
    views: dict[str, tuple[Array, Array]], targets: pd.DataFrame, labels: bool, thorough: bool
) -> tuple[Array, float]:
    """Predictions (rows, targets) and the mean of their cross-validated squared errors.

    Each target has the view and the model with the least error.
    """
    columns, errors = [], []
    for name in targets.columns:
        truth = targets[name].to_numpy(float)
        tried = []
        for view, pair in views.items():
            features, asked = (one.toarray() if hasattr(one, "toarray") else one for one in pair)
            for kind, model in models_for_each(labels, thorough, features.shape[1]):
                held = np.zeros(len(truth))
                for fit, hold in KFold(4, shuffle=True, random_state=0).split(features):
                    held[hold] = predict_one(model, features[fit], truth[fit], features[hold], labels)
                tried.append((float(((held - truth) ** 2).mean()), view, kind, model, features, asked))
        error, view, kind, model, features, asked = min(tried, key=lambda one: one[0])
        print(f"CV {name}: {kind} on {view}, squared error {error:.5g}")
        columns.append(predict_one(model, features, truth, asked, labels))
        errors.append(error)
    found = np.column_stack(columns)
    return np.clip(found, 0, 1) if labels else found, float(np.mean(errors))
