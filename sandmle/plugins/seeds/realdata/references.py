"""Reference solutions of a generic kind, fitted on a split: they stand on its board. None knows anything of the data.

Scores are computed here and not by the grader, since the benchmark is asked for its tasks from inside a running
program; both use the same metric functions.
"""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from sandmle.core.engine.metrics import score
from sandmle.core.types.score import Prediction
from sandmle.plugins.seeds.realdata.rows import Split

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One member of the population."""

    name: str
    view: str
    model: str
    share: float = 1.0
    """Part of the training rows it learns from."""


_CLASSES: Final[Mapping[str, Callable[[], Any]]] = MappingProxyType(
    {
        "constant": lambda: DummyClassifier(strategy="prior"),
        "stump": lambda: DecisionTreeClassifier(max_depth=1, random_state=0),
        "tree": lambda: DecisionTreeClassifier(max_depth=4, min_samples_leaf=5, random_state=0),
        "nearest": lambda: make_pipeline(StandardScaler(), KNeighborsClassifier(5)),
        "neighbours": lambda: make_pipeline(StandardScaler(), KNeighborsClassifier(20)),
        "linear": lambda: make_pipeline(StandardScaler(), LogisticRegression(C=1.0, max_iter=500)),
        "stiff": lambda: make_pipeline(StandardScaler(), LogisticRegression(C=0.02, max_iter=500)),
        "bayes": lambda: make_pipeline(StandardScaler(), GaussianNB(var_smoothing=0.05)),
        "forest": lambda: RandomForestClassifier(60, random_state=0),
        "extra": lambda: ExtraTreesClassifier(60, random_state=0),
        "boosting": lambda: GradientBoostingClassifier(
            n_estimators=30, max_depth=2, max_features="sqrt", random_state=0
        ),
    }
)
_VALUES: Final[Mapping[str, Callable[[], Any]]] = MappingProxyType(
    {
        "constant": DummyRegressor,
        "stump": lambda: DecisionTreeRegressor(max_depth=1, random_state=0),
        "tree": lambda: DecisionTreeRegressor(max_depth=4, min_samples_leaf=5, random_state=0),
        "nearest": lambda: make_pipeline(StandardScaler(), KNeighborsRegressor(5)),
        "neighbours": lambda: make_pipeline(StandardScaler(), KNeighborsRegressor(20)),
        "linear": lambda: make_pipeline(StandardScaler(), Ridge(alpha=1.0)),
        "stiff": lambda: make_pipeline(StandardScaler(), Ridge(alpha=100.0)),
        "bayes": lambda: make_pipeline(StandardScaler(), Ridge(alpha=1000.0)),
        "forest": lambda: RandomForestRegressor(60, random_state=0),
        "extra": lambda: ExtraTreesRegressor(60, random_state=0),
        "boosting": lambda: GradientBoostingRegressor(n_estimators=60, max_depth=2, random_state=0),
    }
)
_VIEWS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "tabular": ("columns", "half", "products"),
        "text": ("words", "letters", "length"),
        "image": ("pixels", "coarse", "means"),
    }
)
"""Modality to its representations: the usual one, another good one, a poor one or the other way round."""


def references(modality: str) -> tuple[Reference, ...]:
    """The population of a modality: every model on the usual representation, some on the others or on few rows."""
    usual, second, third = _VIEWS[modality]
    members = [Reference(name=f"{usual}-{model}", view=usual, model=model) for model in _CLASSES]
    members += [
        Reference(name=f"{view}-{model}", view=view, model=model)
        for view in (second, third)
        for model in ("linear", "stiff", "forest")
    ]
    members += [
        Reference(name=f"{usual}-{model}-few-rows", view=usual, model=model, share=0.3)
        for model in ("linear", "forest", "nearest")
    ]
    return tuple(members)


def reference_scores(split: Split) -> dict[str, float]:
    """Name to score on the private-board rows, best first. Fits are bounded by work, never by time."""
    made: dict[str, tuple[Matrix, Matrix]] = {}
    scores: dict[str, float] = {}
    for member in references(split.view.modality):
        if member.view not in made:
            made[member.view] = _represent(split, member.view)
        scores[member.name] = _score_of(split, member, *made[member.view])
    maximize = split.view.metric not in ("rmse", "mae", "rmsle", "log_loss")
    return dict(sorted(scores.items(), key=lambda item: (-item[1] if maximize else item[1], item[0])))


def _score_of(split: Split, member: Reference, known: Matrix, asked: Matrix) -> float:
    metric, train = split.view.metric, split.counts.train
    rows = max(20, round(member.share * train))
    asked = asked[split.private]
    with warnings.catch_warnings():
        # Collinear columns and unfinished optimisation are part of being a plain solution.
        warnings.simplefilter("ignore")
        if not split.classes:
            values = np.array([float(value) for value in split.target])
            truth, y = values[train:][split.private], values[:rows]
            model = _VALUES[member.model]()
            if metric == "rmsle":
                return score(
                    metric, truth, np.expm1(model.fit(known[:rows], np.log1p(y)).predict(asked).clip(0, 30)), 0
                )
            return score(metric, truth, model.fit(known[:rows], y).predict(asked), 0)
        codes = np.array([split.classes.index(name) for name in split.target])
        truth, y = codes[train:][split.private], codes[:rows]
        model = _CLASSES[member.model]().fit(known[:rows], y)
        if split.form.prediction is Prediction.LABEL:
            return score(metric, truth, model.predict(asked), len(split.classes))
        chance = np.full((len(asked), len(split.classes)), 1e-6)
        chance[:, model.classes_] = model.predict_proba(asked)
        chance /= chance.sum(axis=1, keepdims=True)
        return score(metric, truth, chance[:, 1] if len(split.classes) == 2 else chance, len(split.classes))


def _represent(split: Split, view: str) -> tuple[Matrix, Matrix]:
    """Training and test rows as matrices; whatever is fitted is fitted on the training rows."""
    train = split.counts.train
    if split.view.modality == "text":
        return _represent_texts(split.data[:train], split.data[train:], view)
    data = np.asarray(split.data, dtype=float)
    if view == "half":
        matrix = data[:, ::2]
    elif view == "products":
        # Of many columns the first ones only, or products would be thousands.
        matrix = PolynomialFeatures(2, include_bias=False).fit_transform(data[:, :16])
    elif view == "pixels":
        matrix = data.reshape(len(data), -1)
    elif view == "coarse":
        side = data.shape[1] // 4 * 4
        blocks = data[:, :side, :side].reshape(len(data), 4, side // 4, 4, side // 4).mean(axis=(2, 4))
        matrix = blocks.reshape(len(data), -1)
    elif view == "means":
        matrix = np.column_stack([data.mean(axis=(1, 2)), data.std(axis=(1, 2)), data.mean(axis=1)])
    else:
        matrix = data
    return matrix[:train], matrix[train:]


def _represent_texts(known: list[str], asked: list[str], view: str) -> tuple[Matrix, Matrix]:
    if view == "length":
        counts = [np.array([[len(text), len(text.split())] for text in part], dtype=float) for part in (known, asked)]
        return counts[0], counts[1]
    if view == "words":
        maker = CountVectorizer(min_df=2, max_features=300)
    else:
        maker = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), min_df=3, max_features=400, sublinear_tf=True)
    fitted = maker.fit_transform(known).toarray().astype(float)
    return fitted, maker.transform(asked).toarray().astype(float)
