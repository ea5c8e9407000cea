"""The models the agent knows, as the Python it writes, by strength and by what the data is. Pure."""

import random
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

Candidate = tuple[str, str, str]
"""(name, expression that builds the model, name of the view it is fitted on)."""

_FOREST: Final = "n_estimators={trees}, min_samples_leaf={leaf}, random_state={state}"
_BOOST: Final = "max_iter=40, max_leaf_nodes=7, min_samples_leaf=8, learning_rate=0.12, random_state={state}"

REGRESSORS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "ridge": "Ridge(alpha={alpha})",
        "forest": f"RandomForestRegressor({_FOREST})",
        "extra": f"ExtraTreesRegressor({_FOREST})",
        "boosting": f"HistGradientBoostingRegressor({_BOOST})",
        "neighbours": "KNeighborsRegressor({neighbours}, weights='distance')",
        "lasso": "make_pipeline(StandardScaler(), LassoCV(alphas=12, cv=4, max_iter=1500))",
        "huber": "make_pipeline(SelectKBest(f_regression, k={picked}), StandardScaler(), HuberRegressor(max_iter=60))",
        "kernel": (
            "TransformedTargetRegressor(make_pipeline(StandardScaler(), SVR(C={cost})), transformer=StandardScaler())"
        ),
        "process": "GaussianProcessRegressor(RBF(3.0) + WhiteKernel(0.2), normalize_y=True, random_state=0)",
        "picked ridge": "make_pipeline(SelectKBest(f_regression, k={picked}), RidgeCV(np.logspace(-2, 3, 8)))",
    }
)
CLASSIFIERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "logistic": "LogisticRegression(C={inverse}, max_iter=400)",
        "forest": f"RandomForestClassifier({_FOREST})",
        "extra": f"ExtraTreesClassifier({_FOREST})",
        "boosting": f"HistGradientBoostingClassifier({_BOOST})",
        "neighbours": "KNeighborsClassifier({neighbours}, weights='distance')",
        "bayes": "ComplementNB(alpha=0.3)",
        "kernel": "CalibratedClassifierCV(make_pipeline(StandardScaler(), SVC(C={cost})), ensemble=False, cv=3)",
        "picked logistic": "make_pipeline(SelectKBest(f_classif, k={picked}), LogisticRegression(C=0.5, max_iter=400))",
    }
)


_SPARSE: Final = (("picked logistic", "logistic"), ("lasso", "picked ridge", "huber"))
"""Models for views of many columns of which few matter: for classification, for regression."""


def _filled(template: str, rng: random.Random) -> str:
    """The details a careful person would not agree on are drawn, so that several tries of a task differ."""
    return template.format(
        trees=rng.choice((40, 50, 60)),
        leaf=rng.choice((1, 2, 3)),
        state=rng.randrange(1000),
        alpha=rng.choice((0.3, 1.0, 3.0)),
        neighbours=rng.choice((7, 9, 13)),
        cost=rng.choice((1.0, 3.0, 10.0)),
        inverse=rng.choice((0.3, 1.0, 3.0)),
        picked=rng.choice((10, 15, 20)),
    )


def _write(names: list[tuple[str, str]], regression: bool, rng: random.Random) -> list[Candidate]:
    known = REGRESSORS if regression else CLASSIFIERS
    return [(f"{model} on {view}", _filled(known[model], rng), view) for model, view in names]


def sensible_candidates(view: str, regression: bool, rng: random.Random) -> list[Candidate]:
    """Three everyday models on the one view, by what kind it is (`plain`, `words` or `pixels`)."""
    linear = "ridge" if regression else "logistic"
    if view == "words":
        third = "neighbours" if regression else "bayes"
        return _write([(linear, view), ("forest", view), (third, view)], regression, rng)
    third = rng.choice(("neighbours", "boosting"))
    return _write([(linear, view), ("forest", view), (third, view)], regression, rng)


def searched_candidates(views: list[str], regression: bool, rng: random.Random) -> list[Candidate]:
    """Many models on every view that suits them; the sparse views (`words`, `grams`) take linear models only."""
    found: list[tuple[str, str]] = []
    for view in views:
        if view in ("words", "grams"):
            found += [("ridge", view)] if regression else [("logistic", view), ("bayes", view)]
        elif view == "rich":
            found += [("extra", view), *((model, view) for model in _SPARSE[regression])]
        elif view in ("dense", "shapes"):
            found += [
                ("extra", view),
                ("boosting", view),
                ("kernel", view),
                *((model, view) for model in _SPARSE[regression]),
            ]
        else:
            found += [("kernel", view), ("extra", view), ("ridge" if regression else "logistic", view)]
            found += [("boosting", view)] if view == "plain" else []
            found += [("process", view)] if regression and view == "plain" else []
    return _write(found, regression, rng)


def imports_for(expressions: list[str]) -> list[str]:
    """The import lines that these expressions need."""
    return [line for word, line in _IMPORTS.items() if any(word in one for one in expressions)]


_IMPORTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "CalibratedClassifierCV": "from sklearn.calibration import CalibratedClassifierCV",
        "TransformedTargetRegressor": "from sklearn.compose import TransformedTargetRegressor",
        "ExtraTrees": "from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor",
        "HistGradient": "from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor",
        "RandomForest": "from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor",
        "SelectKBest": "from sklearn.feature_selection import SelectKBest, f_classif, f_regression",
        "GaussianProcess": "from sklearn.gaussian_process import GaussianProcessRegressor",
        "WhiteKernel": "from sklearn.gaussian_process.kernels import RBF, WhiteKernel",
        "Huber": "from sklearn.linear_model import HuberRegressor",
        "LassoCV": "from sklearn.linear_model import LassoCV",
        "LogisticRegression": "from sklearn.linear_model import LogisticRegression",
        "Ridge": "from sklearn.linear_model import Ridge, RidgeCV",
        "ComplementNB": "from sklearn.naive_bayes import ComplementNB",
        "KNeighbors": "from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor",
        "make_pipeline": "from sklearn.pipeline import make_pipeline",
        "StandardScaler": "from sklearn.preprocessing import StandardScaler",
        "SV": "from sklearn.svm import SVC, SVR",
        "DecisionTree": "from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor",
    }
)
