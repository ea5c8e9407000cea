"""Reference solutions as source text: reading, features, a model, a submission."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from sandmle.core.types.score import Prediction
from sandmle.plugins.llms.offline.roles.families.family import Family
from sandmle.plugins.llms.offline.roles.families.graph import READ_LINKS
from sandmle.plugins.llms.offline.roles.models import model_source
from sandmle.plugins.llms.offline.roles.noise import noise_named
from sandmle.plugins.llms.offline.roles.plan import Plan

MOST_ROWS: Final = 5000
"""Rows a member of the population learns from: where a task is made larger, its board is still that of these."""
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
    part: Literal["all", "table", "file"] = "all"
    """What it looks at where a row is a table's row beside a text or a picture."""


def solution_code(plan: Plan, family: Family, recipe: Recipe) -> str:
    """A whole program: reads `data/`, fits, writes `submission.csv`."""
    several = plan.task_type == "reconstruction"
    classes = plan.task_type in ("classification", "multilabel")
    model, imports = model_source(recipe.model, plan.metric, classes=classes, several=several)
    imports = [*imports, *(["from sklearn.base import clone"] if plan.task_type == "multilabel" else [])]
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
        *_fitting(plan),
        f'submission.insert(0, "{plan.id_column}", test["{plan.id_column}"])',
        'submission.to_csv("submission.csv", index=False)',
    ]
    return "\n".join(lines) + "\n"


def _fewer_rows(plan: Plan, recipe: Recipe) -> list[str]:
    if recipe.share >= 1:
        return [f"train = train.head({MOST_ROWS})"] if plan.train > MOST_ROWS else []
    rows = min(plan.train, MOST_ROWS)
    if plan.task_type != "classification":
        return [f"train = train.head({max(12, round(rows * recipe.share))})"]
    each = max(3, round(rows * recipe.share / len(plan.classes)))
    return [f'train = train.groupby("{plan.target}").head({each})']


def _reading(plan: Plan) -> list[str]:
    lines = ['TEXT = "text"'] if "text" in plan.material else []
    if "image" in plan.material:
        lines.append(
            'pixels = np.array([np.asarray(Image.open(f"data/{path}")) for path in both["image"]], dtype=float)'
        )
    if "audio" in plan.material:
        lines += [
            'waves = [np.frombuffer(wave.open(f"data/{path}").readframes(-1), "<i2") for path in both["sound"]]',
            "waves = np.array(waves, dtype=float) / 9000",
        ]
    name = "past" if plan.history else "waves"
    if "series" in plan.material:
        lines += [
            "def readings(path):",
            '    lines = Path(f"data/{path}").read_text().split("\\n")[1:-1]',
            '    return [float(line.partition(",")[2]) for line in lines]',
            "",
            "",
            f'{name} = np.array([readings(path) for path in both["series"]])',
        ]
    elif plan.history:
        lines.append(f"past = both[{list(plan.names('number'))!r}].to_numpy(float)")
    return lines


def _repairs(plan: Plan) -> list[str]:
    lines = []
    for name, params in plan.noise.items():
        noise = noise_named(name)
        if noise is not None and noise.repair(params):
            lines.append(noise.repair(params).rstrip())
    return lines


def _targets(plan: Plan, recipe: Recipe) -> list[str]:
    if plan.targets[1:]:
        return [f"y = train[{list(plan.targets)!r}].to_numpy()"]
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


def _fitting(plan: Plan) -> list[str]:
    if plan.task_type != "multilabel":
        return ["model.fit(known, y)", _submission(plan)]
    return [
        # One model a label; a label that few rows had not seen is as likely as it was.
        "chances = []",
        "for column in y.T:",
        "    seen = len(set(column)) > 1",
        "    one = clone(model).fit(known, column) if seen else None",
        "    chances.append(one.predict_proba(asked)[:, 1] if seen else np.full(len(asked), float(column.mean())))",
        f"submission = pd.DataFrame(np.column_stack(chances), columns={list(plan.targets)!r})",
    ]


def _submission(plan: Plan) -> str:
    if plan.targets[1:]:
        return f"submission = pd.DataFrame(model.predict(asked), columns={list(plan.targets)!r})"
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
    imports = [line for kind, line in _IMPORTS.items() if kind in plan.material]
    params = plan.rule["params"]
    if recipe.view in ("full", "partial"):
        return family.features(params, recipe.view), imports
    raw, more = _raw(plan, recipe)
    imports += more
    if recipe.view in ("full-raw", "partial-raw"):
        chosen = family.features(params, "full" if recipe.view == "full-raw" else "partial")
        return f"{chosen.strip()}\nrule = X\n{raw}\nX = np.column_stack([rule, X])", imports
    return raw, imports


_IMPORTS: Final[Mapping[str, str]] = MappingProxyType(
    {"image": "from PIL import Image", "audio": "import wave", "series": "from pathlib import Path"}
)


def _raw(plan: Plan, recipe: Recipe) -> tuple[str, list[str]]:
    """Lines that define `X` of the columns and files as they come."""
    pieces: list[tuple[str, list[str]]] = []
    if "tabular" in plan.material and recipe.part != "file":
        pieces.append((_raw_table(plan, recipe.view), []))
    if "text" in plan.material and recipe.part != "table":
        pieces.append(_raw_text(recipe.view))
    for kind, maker in _RAW_FILES.items():
        if kind in plan.material and recipe.part != "table":
            whole = maker(recipe.view).replace("READINGS", "past" if plan.history else "waves")
            near = kind == "audio" and plan.task_type == "reconstruction"
            pieces.append((_raw_around(plan, recipe.view) if near else whole, []))
    if plan.shared_files and recipe.view in ("letters", "full-raw", "partial-raw"):
        pieces.append((f"{READ_LINKS}X = np.log1p(degree)[:, None]\n", []))
    if len(pieces) == 1:
        return pieces[0]
    lines = ["parts = []\n", *[f"{code.strip()}\nparts.append(X)\n" for code, _ in pieces]]
    return "".join([*lines, "X = np.column_stack(parts)\n"]), [line for _, more in pieces for line in more]


def _raw_table(plan: Plan, view: View) -> str:
    numbers, categories = list(plan.names("number")), list(plan.names("category"))
    limit = {"one": 1, "two": 2, "third": max(3, len(numbers) // 2)}.get(view)
    if limit is not None:
        # The plain part's columns come first: a person tries what obviously matters.
        obvious = [name for name in plan.rule["params"].get("plain", ()) if name in numbers]
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


def _raw_audio(view: View) -> str:
    parts = {
        "one": "np.sqrt((waves**2).mean(axis=1))[:, None]",
        "two": "np.column_stack([np.sqrt((waves**2).mean(axis=1)), np.abs(np.diff(waves, axis=1)).mean(axis=1)])",
        "third": "np.sqrt((waves**2).reshape(len(waves), 12, -1).mean(axis=2))",
    }
    if view in parts:
        return f"X = {parts[view]}\n"
    if view == "letters":
        return (
            "power = np.abs(np.fft.rfft(waves * np.hanning(waves.shape[1]), axis=1)[:, 1:1201]) ** 2\n"
            "X = np.log(power.reshape(len(waves), 12, -1).mean(axis=2) + 1e-6)\n"
        )
    # Both halves apart, by pitch, and how the loudness swells.
    return (
        "half = waves.reshape(len(waves), 2, -1)\n"
        "power = np.abs(np.fft.rfft(half * np.hanning(half.shape[2]), axis=2)[:, :, 1:601]) ** 2\n"
        "bands = np.log(power.reshape(len(waves), 2, 20, -1).mean(axis=3) + 1e-6).reshape(len(waves), -1)\n"
        "loudness = (waves**2).reshape(len(waves), 150, -1).mean(axis=2)\n"
        "swell = np.abs(np.fft.rfft(loudness - loudness.mean(axis=1, keepdims=True), axis=1))[:, 1:21]\n"
        "X = np.column_stack([bands, np.log(swell + 1e-6)])\n"
    )


def _raw_around(plan: Plan, view: View) -> str:
    """Samples around the ones that are lost."""
    reach = {"one": 1, "two": 2, "third": 12, "letters": 40}.get(view, 90)
    start, many = plan.rule["params"]["gap"], plan.rule["params"]["values"]
    before, after = f"waves[:, {start - reach} : {start}]", f"waves[:, {start + many} : {start + many + reach}]"
    return f"X = np.column_stack([{before}, {after}])\n"


def _raw_series(view: View) -> str:
    """Of `READINGS`, which stands for the name they are read under."""
    name = "READINGS"
    parts = {
        "one": f"{name}.mean(axis=1)[:, None]",
        "two": f"np.column_stack([{name}.mean(axis=1), {name}.std(axis=1)])",
        "third": f"{name}.reshape(len(both), 8, -1).mean(axis=2)",
        "letters": f"np.abs(np.diff({name}, axis=1))",
    }
    swings = f"np.abs(np.fft.rfft({name} - {name}.mean(axis=1, keepdims=True), axis=1))[:, 1:]"
    return f"X = {parts.get(view, f'np.column_stack([{name}, {swings}])')}\n"


_RAW_FILES: Final[Mapping[str, Callable[[View], str]]] = MappingProxyType(
    {"image": _raw_image, "audio": _raw_audio, "series": _raw_series}
)
