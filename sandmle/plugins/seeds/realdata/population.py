"""The population of a board: which models, on which representation of the rows, learning from how many of them.

Every member is a plain solution of a generic kind that somebody might hand in; none knows anything of the data, and
none is tuned on a row that grades.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import BayesianRidge, LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

SHARES: Final = (1.0, 0.5, 0.25)
"""Parts of the training rows that members learn from on the usual representation."""
OTHER_SHARES: Final = SHARES[:2]
"""The same on the other representations."""
EVERYWHERE: Final = (
    *("stump", "tree-3", "tree-6", "nearest", "nearest-10", "neighbours"),
    *("linear", "stiff", "loose", "bayes", "projected", "forest-small", "curved"),
)
"""Models that are fitted on every representation: those that take milliseconds."""
BASELINES: Final = ("constant", "nearest", "linear", "forest", "boosting")
"""Members, on the usual representation and all training rows, by which a reader places a score."""
VIEWS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "tabular": ("columns", "half", "other-half", "products", "ranks", "components"),
        "text": ("words", "letters", "length", "weights", "few-words", "triples"),
        "image": ("pixels", "coarse", "means", "edges", "centre", "components"),
    }
)
"""Modality to its representations, the usual one first; `views.py` makes them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One member."""

    name: str
    view: str
    model: str
    share: float = 1.0
    """Part of the training rows it learns from."""


def references(modality: str) -> tuple[Reference, ...]:
    """The population of a modality: some 210 members, each with a name of its own."""
    usual, *others = VIEWS[modality]
    members = [
        _member(usual, model, share) for share in SHARES for model in CLASSES if share == 1.0 or model != "constant"
    ]
    members += [_member(view, model, share) for view in others for share in OTHER_SHARES for model in EVERYWHERE]
    return tuple(members)


def _member(view: str, model: str, share: float) -> Reference:
    rows = "" if share == 1.0 else f"-{share:.0%}-of-rows".replace("%", "pc")
    return Reference(name=f"{view}-{model}{rows}", view=view, model=model, share=share)


def _scaled(*steps: Any) -> Any:
    return make_pipeline(StandardScaler(), *steps)


def _bent(model: Any) -> Any:
    return make_pipeline(StandardScaler(), Nystroem(n_components=60, random_state=0), model)


CLASSES: Final[Mapping[str, Callable[[], Any]]] = MappingProxyType(
    {
        "constant": lambda: DummyClassifier(strategy="prior"),
        "stump": lambda: DecisionTreeClassifier(max_depth=1, random_state=0),
        "tree-2": lambda: DecisionTreeClassifier(max_depth=2, random_state=0),
        "tree-3": lambda: DecisionTreeClassifier(max_depth=3, random_state=0),
        "tree": lambda: DecisionTreeClassifier(max_depth=4, min_samples_leaf=5, random_state=0),
        "tree-6": lambda: DecisionTreeClassifier(max_depth=6, random_state=0),
        "tree-full": lambda: DecisionTreeClassifier(random_state=0),
        "nearest-1": lambda: _scaled(KNeighborsClassifier(1)),
        "nearest": lambda: _scaled(KNeighborsClassifier(5)),
        "nearest-10": lambda: _scaled(KNeighborsClassifier(10)),
        "neighbours": lambda: _scaled(KNeighborsClassifier(20)),
        "stiffest": lambda: _scaled(LogisticRegression(C=0.001, max_iter=200)),
        "stiff": lambda: _scaled(LogisticRegression(C=0.02, max_iter=200)),
        "linear": lambda: _scaled(LogisticRegression(C=1.0, max_iter=200)),
        "loose": lambda: _scaled(LogisticRegression(C=10.0, max_iter=200)),
        "bayes": lambda: _scaled(GaussianNB(var_smoothing=0.05)),
        "bayes-sharp": lambda: _scaled(GaussianNB(var_smoothing=1e-6)),
        "bayes-soft": lambda: _scaled(GaussianNB(var_smoothing=0.5)),
        "projected": lambda: _scaled(LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.3)),
        "curved": lambda: _bent(LogisticRegression(C=1.0, max_iter=200)),
        "curved-loose": lambda: _bent(LogisticRegression(C=10.0, max_iter=200)),
        "forest": lambda: RandomForestClassifier(60, random_state=0),
        "forest-small": lambda: RandomForestClassifier(12, max_depth=6, random_state=0),
        "extra": lambda: ExtraTreesClassifier(60, random_state=0),
        "extra-small": lambda: ExtraTreesClassifier(12, random_state=1),
        "boosting": lambda: GradientBoostingClassifier(
            n_estimators=30, max_depth=2, max_features="sqrt", random_state=0
        ),
        "boosting-short": lambda: GradientBoostingClassifier(
            n_estimators=10, max_depth=1, max_features="sqrt", random_state=0
        ),
    }
)
"""Name to a model of classes."""

VALUES: Final[Mapping[str, Callable[[], Any]]] = MappingProxyType(
    {
        "constant": DummyRegressor,
        "stump": lambda: DecisionTreeRegressor(max_depth=1, random_state=0),
        "tree-2": lambda: DecisionTreeRegressor(max_depth=2, random_state=0),
        "tree-3": lambda: DecisionTreeRegressor(max_depth=3, random_state=0),
        "tree": lambda: DecisionTreeRegressor(max_depth=4, min_samples_leaf=5, random_state=0),
        "tree-6": lambda: DecisionTreeRegressor(max_depth=6, random_state=0),
        "tree-full": lambda: DecisionTreeRegressor(random_state=0),
        "nearest-1": lambda: _scaled(KNeighborsRegressor(1)),
        "nearest": lambda: _scaled(KNeighborsRegressor(5)),
        "nearest-10": lambda: _scaled(KNeighborsRegressor(10)),
        "neighbours": lambda: _scaled(KNeighborsRegressor(20)),
        "stiffest": lambda: _scaled(Ridge(alpha=3000.0)),
        "stiff": lambda: _scaled(Ridge(alpha=100.0)),
        "linear": lambda: _scaled(Ridge(alpha=1.0)),
        "loose": lambda: _scaled(Ridge(alpha=0.1)),
        "bayes": lambda: _scaled(BayesianRidge()),
        "bayes-sharp": lambda: _scaled(Ridge(alpha=10.0)),
        "bayes-soft": lambda: _scaled(Ridge(alpha=1000.0)),
        "projected": lambda: _scaled(Ridge(alpha=30.0)),
        "curved": lambda: _bent(Ridge(alpha=0.3)),
        "curved-loose": lambda: _bent(Ridge(alpha=0.03)),
        "forest": lambda: RandomForestRegressor(60, random_state=0),
        "forest-small": lambda: RandomForestRegressor(12, max_depth=6, random_state=0),
        "extra": lambda: ExtraTreesRegressor(60, random_state=0),
        "extra-small": lambda: ExtraTreesRegressor(12, random_state=1),
        "boosting": lambda: GradientBoostingRegressor(n_estimators=60, max_depth=2, random_state=0),
        "boosting-short": lambda: GradientBoostingRegressor(n_estimators=15, max_depth=1, random_state=0),
    }
)
"""The same names to a model of values each."""
