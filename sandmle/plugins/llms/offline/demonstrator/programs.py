"""The table of program lines: every program is a few fixed lines and one choice from each of five parts. Pure.

No line holds a name of the task: id, target and classes come from `sample_submission.csv`, so that the same
choice is the same text on every task. A choice that does not suit the files fails by itself: there is no column
of texts, a gap meets a model that takes none, a classifier meets numbers.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from types import MappingProxyType
from typing import Final

HEAD: Final = (
    "import numpy as np, pandas as pd, PIL.Image\n"
    "from sklearn import ensemble, feature_extraction, feature_selection, impute, linear_model, model_selection, "
    "neighbors, pipeline, preprocessing\n"
    'train, test, sub = [pd.read_csv(f"data/{name}.csv") for name in ("train", "test", "sample_submission")]\n'
    "y = train[[name for name in train if name not in test][0]]\n"
    "both = pd.concat([train, test], ignore_index=True)[list(test.columns[1:])]\n"
)
"""How every program begins, and the look at the files too."""

_NUMBERS: Final = 'N = both.select_dtypes("number")\n'
_SCALED: Final = f"{_NUMBERS}N = ((N - N.mean()) / N.std()).to_numpy()\n"
_STRINGS: Final = 'S = both.select_dtypes(exclude="number").iloc[:, 0]\n'
_PIXELS: Final = 'P = np.array([np.asarray(PIL.Image.open(f"data/{path}"), float) for path in both["image"]])\n'
_CENTRED: Final = f"{_PIXELS}P = P - P.mean(axis=(1, 2), keepdims=True)\n"
_POWER: Final = f"{_CENTRED}F = np.abs(np.fft.fft2(P)) ** 2\n"
_COUNT: Final = "X = feature_extraction.text.CountVectorizer({how}).fit_transform({text}).toarray()\n"

FEATURES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "num": f"{_NUMBERS}X = N.to_numpy()\n",
        "flags": f"{_NUMBERS}X = np.hstack([N, N.isna()])\n",
        "squares": f"{_SCALED}X = np.hstack([N, N ** 2])\n",
        "products": (f"{_SCALED}I, J = np.triu_indices(N.shape[1], 1)\nX = np.hstack([N, N[:, I] * N[:, J]])\n"),
        "ratios": (
            f"{_NUMBERS}N = np.log(N.where(N > 0)).to_numpy()\nI, J = np.triu_indices(N.shape[1], 1)\n"
            "X = np.hstack([N, N[:, I] - N[:, J], np.abs(N[:, I] - N[:, J])])\n"
        ),
        "sincos": (
            f'{_SCALED}A = np.radians(both.select_dtypes("number").to_numpy())\n'
            "X = np.hstack([N, np.sin(A), np.cos(A), np.sin(2 * A), np.cos(2 * A)])\n"
        ),
        "steps": (
            f"{_SCALED}I, J = np.triu_indices(N.shape[1], 1)\n"
            "X = np.hstack([N, np.sign(N), np.sign(N)[:, I] * np.sign(N)[:, J]])\n"
        ),
        "codes": (f"{_NUMBERS}{_STRINGS}X = np.column_stack([N, pd.get_dummies(S.str[:2]), S.str[3:].astype(int)])\n"),
        "dates": (
            f"{_NUMBERS}{_STRINGS}T = pd.to_datetime(S).dt\nA = T.dayofyear * 2 * np.pi / 365\n"
            "X = np.column_stack([N, pd.get_dummies(T.dayofweek), np.sin(A), np.cos(A)])\n"
        ),
        "words": _COUNT.format(how="min_df=3", text='both["text"]'),
        "endings": _COUNT.format(
            how='analyzer="char_wb", ngram_range=(4, 5), min_df=12, max_features=400', text='both["text"]'
        ),
        "pairs": _COUNT.format(how="ngram_range=(1, 2), min_df=4, max_features=400", text='both["text"]'),
        "first": _COUNT.format(how="min_df=3", text='both["text"].str.split().str[:4].str.join(" ")'),
        "amounts": (
            'A = both["text"].str.extractall(r"(\\d+) (\\w+)")\n'
            "X = A[0].astype(float).groupby([A.index.get_level_values(0), A[1]]).sum().unstack(fill_value=0)\n"
            "X = X.reindex(range(len(both)), fill_value=0)\n"
            "X = np.hstack([X, np.log1p(X)])\n"
        ),
        "pixels": f"{_PIXELS}X = P.reshape(len(P), -1)\n",
        "quarters": (
            f"{_PIXELS}h = P.shape[1] // 2\n"
            "X = np.column_stack([Q.mean(axis=(1, 2)) for H in (P[:, :h], P[:, h:]) "
            "for Q in (H[:, :, :h], H[:, :, h:])])\n"
        ),
        "waves": (
            f"{_POWER}R = np.rint(np.hypot(*np.meshgrid("
            "*[np.abs(np.fft.fftfreq(P.shape[1])) * P.shape[1]] * 2))).ravel()\n"
            "X = np.log1p(np.column_stack([F.reshape(len(F), -1)[:, R == r].mean(axis=1) "
            "for r in range(1, P.shape[1] // 2 + 1)]))\n"
        ),
        "marks": f"{_POWER}X = np.fft.ifft2(F).real[:, :3, [0, 1, 2, -1, -2]].reshape(len(F), -1)\n",
    }
)
"""How the matrix X comes from the columns of training and test rows together, one below the other."""

FILLS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "none": "",
        "median": 'X = impute.SimpleImputer(strategy="median").fit_transform(X)\n',
    }
)
"""What becomes of gaps in X."""

_SCALED_MODEL: Final = "model = pipeline.make_pipeline(preprocessing.StandardScaler(), {steps})\n"
_FEW: Final = "feature_selection.SelectKBest(feature_selection.{test}, k={k}), {model}"


def _settings(values: tuple[str, str], classes: tuple[str, str], *, scaled: bool) -> Mapping[tuple[str, str], str]:
    """Model lines by task type and setting."""
    line = _SCALED_MODEL if scaled else "model = {steps}\n"
    both = {"values": values, "classes": classes}
    return {(kind, name): line.format(steps=one) for kind in both for name, one in zip("ab", both[kind], strict=True)}


MODELS: Final[Mapping[str, Mapping[tuple[str, str], str]]] = MappingProxyType(
    {
        "linear": _settings(
            ("linear_model.Ridge(alpha=3)", "linear_model.Ridge(alpha=60)"),
            ("linear_model.LogisticRegression(C=1)", "linear_model.LogisticRegression(C=0.03)"),
            scaled=True,
        ),
        "sparse": _settings(
            (
                _FEW.format(test="f_regression", k=6, model="linear_model.Ridge()"),
                _FEW.format(test="f_regression", k=14, model="linear_model.Ridge()"),
            ),
            (
                _FEW.format(test="f_classif", k=6, model="linear_model.LogisticRegression()"),
                _FEW.format(test="f_classif", k=14, model="linear_model.LogisticRegression()"),
            ),
            scaled=True,
        ),
        "knn": _settings(
            ("neighbors.KNeighborsRegressor(5)", "neighbors.KNeighborsRegressor(15)"),
            ("neighbors.KNeighborsClassifier(5)", "neighbors.KNeighborsClassifier(15)"),
            scaled=True,
        ),
        "forest": _settings(
            (
                "ensemble.RandomForestRegressor(15, min_samples_leaf=2, random_state=0)",
                "ensemble.ExtraTreesRegressor(15, min_samples_leaf=2, random_state=0)",
            ),
            (
                "ensemble.RandomForestClassifier(15, min_samples_leaf=2, random_state=0)",
                "ensemble.ExtraTreesClassifier(15, min_samples_leaf=2, random_state=0)",
            ),
            scaled=False,
        ),
        "boosting": _settings(
            (
                "ensemble.GradientBoostingRegressor(n_estimators=25, learning_rate=0.2, max_depth=2, random_state=0)",
                "ensemble.GradientBoostingRegressor(n_estimators=25, learning_rate=0.2, max_features=0.3, "
                "random_state=0)",
            ),
            (
                "ensemble.GradientBoostingClassifier(n_estimators=12, learning_rate=0.25, max_depth=2, random_state=0)",
                "ensemble.GradientBoostingClassifier(n_estimators=12, learning_rate=0.25, max_features=0.3, "
                "random_state=0)",
            ),
            scaled=False,
        ),
    }
)
"""Model kind to its lines, by task type (`values`, `classes`) and setting (`a`, `b`)."""

SETTINGS: Final = ("a", "b")
"""Each model kind has two settings; `b` is the stiffer or the more random one."""

_SCORE: Final = (
    'score = model_selection.cross_val_score(model, X[:len(train)], y, cv=2, scoring="{scoring}").mean()\n'
    "model.fit(X[:len(train)], y)\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """How predictions become a submission."""

    task_type: str
    """Which lines of a model go with it: `values` or `classes`."""
    before: str
    """Lines before the model is scored and fitted."""
    after: str
    """Lines that make `p`, the predictions for the test rows."""


OUTPUTS: Final[Mapping[str, Output]] = MappingProxyType(
    {
        "value": Output(
            task_type="values", before=_SCORE.format(scoring="r2"), after="p = model.predict(X[len(train):])\n"
        ),
        "log": Output(
            task_type="values",
            before="y = np.log1p(y)\n" + _SCORE.format(scoring="r2"),
            after="p = np.expm1(model.predict(X[len(train):]))\n",
        ),
        "label": Output(
            task_type="classes",
            before=_SCORE.format(scoring="balanced_accuracy"),
            after="p = model.predict(X[len(train):])\n",
        ),
        "probability": Output(
            task_type="classes",
            before=_SCORE.format(scoring="neg_log_loss"),
            after="p = model.predict_proba(X[len(train):])[:, 1 - sub.shape[1]:]\n",
        ),
    }
)
"""What is written: a value, a value fitted on the scale of log(1 + value), a label, probabilities."""

TAIL: Final = """\
sub[list(sub.columns[1:])] = np.asarray(p).reshape(len(sub), -1)
sub.to_csv("submission.csv", index=False)
print(f"cv {score:.2f}")
"""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Program:
    """One choice from each part."""

    features: str
    fill: str
    model: str
    setting: str
    output: str

    @property
    def name(self) -> str:
        """The choices in one word, such as `squares/median/linear-a/log`."""
        return f"{self.features}/{self.fill}/{self.model}-{self.setting}/{self.output}"

    @property
    def code(self) -> str:
        """The program's text: reads `data/`, prints `cv SCORE`, writes `submission.csv`."""
        output = OUTPUTS[self.output]
        model = MODELS[self.model][output.task_type, self.setting]
        return "".join((HEAD, FEATURES[self.features], FILLS[self.fill], model, output.before, output.after, TAIL))


def every_program() -> Iterator[Program]:
    """The whole table, in a fixed order."""
    for features, fill, model, setting, output in product(FEATURES, FILLS, MODELS, SETTINGS, OUTPUTS):
        yield Program(features=features, fill=fill, model=model, setting=setting, output=output)
