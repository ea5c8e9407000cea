"""Reference solutions as source text: reading, features, a model, a submission."""

from dataclasses import dataclass
from typing import Literal

from sandmle.core.types.score import Prediction
from sandmle.plugins.llms.offline.roles.families.family import Family
from sandmle.plugins.llms.offline.roles.models import model_source
from sandmle.plugins.llms.offline.roles.noise import noise_named
from sandmle.plugins.llms.offline.roles.plan import Plan

View = Literal["full", "partial", "raw", "full-raw", "partial-raw", "one", "two", "third", "letters", "words", "length"]
"""What a solution looks at: the rule's representation, half of it, the columns as they come, or some of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One member of the population, before it is written out."""

    name: str
    view: View
    model: str
    share: float = 1.0
    """Part of the training rows it learns from."""
    clean: bool = False
    """Whether it undoes what noise can be undone."""


def solution_code(plan: Plan, family: Family, recipe: Recipe) -> str:
    """A whole program: reads `data/`, fits, writes `submission.csv`."""
    model, imports = model_source(recipe.model, plan.task_type, plan.metric)
    features, more = _features(plan, family, recipe)
    lines = [
        "import numpy as np",
        "import pandas as pd",
        *sorted({*imports, *more}),
        "",
        'train = pd.read_csv("data/train.csv")',
        'test = pd.read_csv("data/test.csv")',
        *_fewer_rows(plan, recipe),
        "both = pd.concat([train, test], ignore_index=True)",
        *_reading(plan),
        *(_repairs(plan) if recipe.clean else []),
        features.strip(),
        "",
        "known, asked = X[: len(train)], X[len(train) :]",
        *_targets(plan, recipe),
        f"model = {model}",
        "model.fit(known, y)",
        _submission(plan),
        f'submission.insert(0, "{plan.id_column}", test["{plan.id_column}"])',
        'submission.to_csv("submission.csv", index=False)',
    ]
    return "\n".join(lines) + "\n"


def _fewer_rows(plan: Plan, recipe: Recipe) -> list[str]:
    if recipe.share >= 1:
        return []
    if plan.task_type == "regression":
        return [f"train = train.head({max(12, round(plan.train * recipe.share))})"]
    each = max(3, round(plan.train * recipe.share / len(plan.classes)))
    return [f'train = train.groupby("{plan.target}").head({each})']


def _reading(plan: Plan) -> list[str]:
    if plan.modality == "text":
        return ['TEXT = "text"']
    if plan.modality == "image":
        return ['pixels = np.array([np.asarray(Image.open(f"data/{path}")) for path in both["image"]], dtype=float)']
    return []


def _repairs(plan: Plan) -> list[str]:
    lines = []
    for name, params in plan.noise.items():
        noise = noise_named(name)
        if noise is not None and noise.repair(params):
            lines.append(noise.repair(params).rstrip())
    return lines


def _targets(plan: Plan, recipe: Recipe) -> list[str]:
    lines = [f'y = train["{plan.target}"]']
    if plan.log_scale:
        lines.append("y = np.log1p(y)")
    if "target-outliers" not in plan.noise:
        return lines
    if not recipe.clean:
        return [*lines, "y = y.clip(*y.quantile([0.04, 0.96]))"]
    return [
        *lines,
        "middle, width = y.median(), y.quantile(0.9) - y.quantile(0.1)",
        "kept = (y < middle + 1.2 * width).to_numpy()",
        "known, y = known[kept], y[kept]",
    ]


def _submission(plan: Plan) -> str:
    order = sorted(plan.classes)
    if plan.prediction is Prediction.PROBABILITY:
        if len(order) == 2:
            return f'submission = pd.DataFrame({{"{plan.target}": model.predict_proba(asked)[:, 1]}})'
        return "submission = pd.DataFrame(model.predict_proba(asked), columns=model.classes_)"
    # Far outside what was seen, an exponential would overflow.
    bounded = "np.expm1(model.predict(asked).clip(0, y.max() + 1))"
    answer = bounded if plan.log_scale else "model.predict(asked)"
    return f'submission = pd.DataFrame({{"{plan.target}": {answer}}})'


def _features(plan: Plan, family: Family, recipe: Recipe) -> tuple[str, list[str]]:
    """Lines that define `X`, and imports they need."""
    imports = ["from PIL import Image"] if plan.modality == "image" else []
    params = plan.rule["params"]
    if recipe.view in ("full", "partial"):
        return family.features(params, recipe.view), imports
    raw, more = _raw(plan, recipe.view)
    imports += more
    if recipe.view in ("full-raw", "partial-raw"):
        chosen = family.features(params, "full" if recipe.view == "full-raw" else "partial")
        return f"{chosen.strip()}\nrule = X\n{raw}\nX = np.column_stack([rule, X])", imports
    return raw, imports


def _raw(plan: Plan, view: View) -> tuple[str, list[str]]:
    if plan.modality == "tabular":
        return _raw_table(plan, view), []
    if plan.modality == "text":
        return _raw_text(view)
    return _raw_image(view), []


def _raw_table(plan: Plan, view: View) -> str:
    numbers, categories = list(plan.names("number")), list(plan.names("category"))
    limit = {"one": 1, "two": 2, "third": max(3, len(numbers) // 2)}.get(view)
    if limit is not None:
        # The plain part's columns come first: a person tries what obviously matters.
        obvious = [name for name in plan.rule["params"]["plain"] if name in numbers]
        numbers = [*obvious, *[name for name in numbers if name not in obvious]][:limit]
        categories = []
    lines = f"numbers = both[{numbers!r}]\nX = numbers.fillna(numbers.median()).to_numpy()\n"
    if categories:
        lines += f"codes = [pd.factorize(both[name], sort=True)[0] for name in {categories!r}]\n"
        lines += "X = np.column_stack([X, *codes])\n"
    return lines


def _raw_text(view: View) -> tuple[str, list[str]]:
    counter = "from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer"
    if view == "length":
        return 'X = both["text"].str.split().str.len().to_numpy(float)[:, None]\n', []
    if view == "letters":
        maker = 'TfidfVectorizer(analyzer="char", ngram_range=(2, 3), min_df=3, max_features=400, sublinear_tf=True)'
    elif view in ("one", "two", "third"):
        maker = f"CountVectorizer(max_features={ {'one': 8, 'two': 20, 'third': 45}[view] })"
    else:
        maker = "CountVectorizer(min_df=2, max_features=250)"
    name = maker.partition("(")[0]
    counter = f"from sklearn.feature_extraction.text import {name}"
    return (
        f'words = {maker}.fit(train["text"])\nX = words.transform(both["text"]).toarray().astype(float)\n',
        [counter],
    )


def _raw_image(view: View) -> str:
    if view == "one":
        return "X = pixels.mean(axis=(1, 2))[:, None]\n"
    if view == "two":
        return "X = np.column_stack([pixels.mean(axis=(1, 2)), pixels.std(axis=(1, 2))])\n"
    if view == "third":
        return "X = np.column_stack([pixels.mean(axis=1), pixels.mean(axis=2)])\n"
    if view == "letters":
        return (
            "side = pixels.shape[1] // 4 * 4\n"
            "X = pixels[:, :side, :side].reshape(len(pixels), 4, side // 4, 4, side // 4).mean(axis=(2, 4))\n"
            "X = X.reshape(len(pixels), -1)\n"
        )
    return "X = pixels.reshape(len(pixels), -1)\n"
