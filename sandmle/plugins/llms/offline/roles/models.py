"""The models reference solutions use: imports and expressions of scikit-learn, for classes and for values."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One model as source text. `{weights}` stands for a class-weight argument where the metric wants one."""

    classes: str
    values: str
    imports: tuple[str, ...]
    """Module and name, such as `sklearn.svm:SVC`, for both; unused ones are left out."""
    scaled: bool = False
    """Whether columns are brought to one scale first."""


_ENSEMBLE = "sklearn.ensemble"

MODELS: Final[dict[str, Model]] = {
    "linear": Model(
        classes="LogisticRegression(C=3.0, max_iter=300{weights})",
        values="Ridge(alpha=1.0)",
        imports=("sklearn.linear_model:LogisticRegression", "sklearn.linear_model:Ridge"),
        scaled=True,
    ),
    "stiff-linear": Model(
        classes="LogisticRegression(C=1.0 / known.shape[1], max_iter=300{weights})",
        values="Ridge(alpha=2.0 * known.shape[1])",
        imports=("sklearn.linear_model:LogisticRegression", "sklearn.linear_model:Ridge"),
        scaled=True,
    ),
    "nearest-five": Model(
        classes="KNeighborsClassifier(5)",
        values="KNeighborsRegressor(5)",
        imports=("sklearn.neighbors:KNeighborsClassifier", "sklearn.neighbors:KNeighborsRegressor"),
        scaled=True,
    ),
    "nearest-twenty": Model(
        classes="KNeighborsClassifier(20)",
        values="KNeighborsRegressor(20)",
        imports=("sklearn.neighbors:KNeighborsClassifier", "sklearn.neighbors:KNeighborsRegressor"),
        scaled=True,
    ),
    "stump": Model(
        classes="DecisionTreeClassifier(max_depth=1, random_state=0{weights})",
        values="DecisionTreeRegressor(max_depth=1, random_state=0)",
        imports=("sklearn.tree:DecisionTreeClassifier", "sklearn.tree:DecisionTreeRegressor"),
    ),
    "small-tree": Model(
        classes="DecisionTreeClassifier(max_depth=3, min_samples_leaf=8, random_state=0{weights})",
        values="DecisionTreeRegressor(max_depth=3, min_samples_leaf=8, random_state=0)",
        imports=("sklearn.tree:DecisionTreeClassifier", "sklearn.tree:DecisionTreeRegressor"),
    ),
    "forest": Model(
        classes="RandomForestClassifier(40, min_samples_leaf=2, random_state=0{weights})",
        values="RandomForestRegressor(40, min_samples_leaf=2, random_state=0)",
        imports=(f"{_ENSEMBLE}:RandomForestClassifier", f"{_ENSEMBLE}:RandomForestRegressor"),
    ),
    "extra-trees": Model(
        classes="ExtraTreesClassifier(40, min_samples_leaf=2, random_state=0{weights})",
        values="ExtraTreesRegressor(40, min_samples_leaf=2, random_state=0)",
        imports=(f"{_ENSEMBLE}:ExtraTreesClassifier", f"{_ENSEMBLE}:ExtraTreesRegressor"),
    ),
    "boosting": Model(
        classes="GradientBoostingClassifier(n_estimators=30, max_depth=2, learning_rate=0.15, random_state=0)",
        values="GradientBoostingRegressor(n_estimators=60, max_depth=2, random_state=0)",
        imports=(f"{_ENSEMBLE}:GradientBoostingClassifier", f"{_ENSEMBLE}:GradientBoostingRegressor"),
    ),
    "kernel": Model(
        classes=(
            "make_pipeline(Nystroem(gamma=0.08, n_components=40, random_state=0), "
            "LogisticRegression(C=3.0, max_iter=300{weights}))"
        ),
        values="KernelRidge(alpha=0.3, kernel='rbf', gamma=0.08)",
        imports=(
            "sklearn.kernel_approximation:Nystroem",
            "sklearn.linear_model:LogisticRegression",
            "sklearn.kernel_ridge:KernelRidge",
        ),
        scaled=True,
    ),
    "bayes": Model(
        classes="GaussianNB(var_smoothing=0.05)",
        values="BayesianRidge()",
        imports=("sklearn.naive_bayes:GaussianNB", "sklearn.linear_model:BayesianRidge"),
        scaled=True,
    ),
}
"""Model name to its source."""
ONE_VALUE: Final = ("boosting", "bayes")
"""Models that give one value at a time."""
WEIGHTED_METRICS: Final = ("balanced_accuracy", "f1_macro")
"""Metrics under which every class weighs the same, whatever its share."""


def model_source(name: str, metric: str, *, classes: bool, several: bool = False) -> tuple[str, list[str]]:
    """The expression of a model and the import lines it needs.

    Args:
        name: of `MODELS`.
        metric: a name of the catalogue.
        classes: whether it tells classes apart, or gives a value.
        several: whether it gives several values at once.

    Raises:
        KeyError: no model of that name.
    """
    model = MODELS[name]
    source = model.classes if classes else model.values
    imports = list(model.imports)
    if several and name in ONE_VALUE:
        source = f"MultiOutputRegressor({source})"
        imports.append("sklearn.multioutput:MultiOutputRegressor")
    source = source.replace("{weights}", ', class_weight="balanced"' if metric in WEIGHTED_METRICS else "")
    if model.scaled:
        source = f"make_pipeline(StandardScaler(), {source})"
        imports.append("sklearn.preprocessing:StandardScaler")
    if "make_pipeline" in source:
        imports.append("sklearn.pipeline:make_pipeline")
    used: dict[str, list[str]] = {}
    for one in imports:
        module, _, symbol = one.partition(":")
        if f"{symbol}(" in source:
            used.setdefault(module, []).append(symbol)
    return source, [f"from {module} import {', '.join(sorted(symbols))}" for module, symbols in sorted(used.items())]
