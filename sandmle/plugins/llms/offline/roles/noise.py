"""Noise families: what is drawn for the strategy, how a generator applies it, how a careful solution undoes it.

The first dozen stand here, those that came later in `later_noise.py`.
"""

from collections.abc import Sequence
from random import Random
from typing import Any, Final

from sandmle.plugins.llms.offline.roles.families.family import Family, Params, literal
from sandmle.plugins.llms.offline.roles.later_noise import LATER, TARGET_NOISES
from sandmle.plugins.llms.offline.roles.noise_kind import Noise


def _nothing(params: Params) -> str:
    return ""


def _draw_flips(rng: Random, rule: Params) -> dict[str, Any]:
    return {"share": round(rng.uniform(0.04, 0.1), 3)}


def _draw_error(rng: Random, rule: Params) -> dict[str, Any]:
    return {"sd": round(rng.uniform(0.2, 0.35), 3)}


def _draw_outliers(rng: Random, rule: Params) -> dict[str, Any]:
    return {"share": round(rng.uniform(0.02, 0.05), 3), "factor": rng.choice((2, 2.5))}


def _outlier_script(params: Params) -> str:
    return f"""
# A few training targets were written down far too high; the board is free of that.
spoiled = is_train & (rng.random(ROWS) < {params["share"]})
target = np.where(spoiled, target * {params["factor"]}, target)
"""


def _numeric(rule: Params) -> list[str]:
    return [name for name in rule["ranges"] if not name.endswith("_repeat")]


def _draw_missing(rng: Random, rule: Params) -> dict[str, Any]:
    names = _numeric(rule)
    return {"share": round(rng.uniform(0.03, 0.08), 3), "columns": sorted(rng.sample(names, max(2, len(names) // 2)))}


def _missing_script(params: Params) -> str:
    return f"""
# Readings get lost, independently of everything.
for name in {literal(list(params["columns"]))}:
    frame.loc[rng.random(ROWS) < {params["share"]}, name] = np.nan
"""


def _draw_twins(rng: Random, rule: Params) -> dict[str, Any]:
    originals = rng.sample(_numeric(rule), 2)
    return {"twins": {f"{name}_repeat": name for name in originals}, "sd": round(rng.uniform(0.5, 0.8), 2)}


def _twins_script(params: Params) -> str:
    return f"""
# Repeated readings of a poor second instrument look alike and add nothing.
for twin, name in {literal(dict(params["twins"]))}.items():
    low, high, digits = RANGES[name]
    frame[twin] = (clean[name] + rng.normal(0, {params["sd"]} * (high - low), ROWS)).round(digits)
"""


def _draw_units(rng: Random, rule: Params) -> dict[str, Any]:
    name = rng.choice([*rule["main"], *rule["plain"]])
    if name not in rule["ranges"]:
        name = rng.choice(sorted(rule["plain"]))
    return {
        "column": name,
        "factor": rng.choice((10, 100, 1000)),
        "share": round(rng.uniform(0.03, 0.07), 3),
        "high": rule["ranges"][name][1],
    }


def _units_script(params: Params) -> str:
    return f"""
# Some rows carry one reading in a smaller unit.
wrong_unit = rng.random(ROWS) < {params["share"]}
frame.loc[wrong_unit, {params["column"]!r}] *= {params["factor"]}
"""


def _units_repair(params: Params) -> str:
    name = params["column"]
    return f"both.loc[both[{name!r}].abs() > {params['high'] * 1.05:.6g}, {name!r}] /= {params['factor']}\n"


def _draw_repeated(rng: Random, rule: Params) -> dict[str, Any]:
    return {"share": round(rng.uniform(0.06, 0.14), 3)}


def _repeated_script(params: Params) -> str:
    return f"""
# Some training rows are copies of other training rows under an id of their own.
copies = train_order[: int({params["share"]} * TRAIN)]
sources = rng.choice(train_order[len(copies) :], len(copies))
take = np.arange(ROWS)
take[copies] = sources
"""


def _draw_typos(rng: Random, rule: Params) -> dict[str, Any]:
    return {"share": round(rng.uniform(0.03, 0.08), 3)}


def _typos_script(params: Params) -> str:
    return f"""
# Typing errors: two neighbouring letters inside a longer word change places.
for line in texts:
    for place in np.flatnonzero(rng.random(len(line)) < {params["share"]}):
        word = line[place]
        if len(word) > 4:
            at = int(rng.integers(1, len(word) - 2))
            line[place] = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
"""


def _draw_filler(rng: Random, rule: Params) -> dict[str, Any]:
    return {"words": ["well", "anyway", "however", "also", "though", "perhaps", "indeed"], "most": rng.choice((3, 5))}


def _filler_script(params: Params) -> str:
    return f"""
# Empty words are strewn in.
for line in texts:
    for word in rng.choice({literal(list(params["words"]))}, rng.integers(0, {params["most"]} + 1)):
        line.insert(int(rng.integers(0, len(line) + 1)), word)
"""


def _draw_speckle(rng: Random, rule: Params) -> dict[str, Any]:
    return {"share": round(rng.uniform(0.01, 0.03), 3)}


def _speckle_script(params: Params) -> str:
    return f"""
# Dead and hot pixels.
dead = rng.random(images.shape) < {params["share"]}
images = np.where(dead, rng.choice([0.0, 255.0], images.shape), images)
"""


def _draw_occlusion(rng: Random, rule: Params) -> dict[str, Any]:
    return {"share": round(rng.uniform(0.15, 0.3), 2), "side": 3}


def _occlusion_script(params: Params) -> str:
    side = params["side"]
    return f"""
# Something dark covers a small square of some pictures.
for row in np.flatnonzero(rng.random(ROWS) < {params["share"]}):
    top, left = rng.integers(0, SIZE - {side}, 2)
    images[row, top : top + {side}, left : left + {side}] = 20
"""


def _draw_blur(rng: Random, rule: Params) -> dict[str, Any]:
    return {"share": round(rng.uniform(0.2, 0.4), 2)}


def _blur_script(params: Params) -> str:
    return f"""
# Some pictures are out of focus.
blurred = rng.random(ROWS) < {params["share"]}
soft = sum(np.roll(images, (i, j), axis=(1, 2)) for i in (-1, 0, 1) for j in (-1, 0, 1)) / 9
images = np.where(blurred[:, None, None], 0.5 * images + 0.5 * soft, images)
"""


_ALL, _CLASS, _VALUE = ("tabular", "text", "image", "graph", "audio", "series"), ("classification",), ("regression",)
_ANY = (*_CLASS, *_VALUE, "multilabel", "ranking")
_PICTURES = (*_ANY, "reconstruction")

FIRST: Final = (
    Noise(
        name="label-flips",
        modalities=_ALL,
        task_types=_CLASS,
        sentence="A share of all labels is drawn anew at random.",
        draw=_draw_flips,
        script=_nothing,
    ),
    Noise(
        name="target-error",
        modalities=_ALL,
        task_types=("regression", "forecasting"),
        sentence="Every target carries a normal error, in units of the signal's standard deviation.",
        draw=_draw_error,
        script=_nothing,
    ),
    Noise(
        name="target-outliers",
        modalities=_ALL,
        task_types=_VALUE,
        sentence="A share of the training targets is too high by a factor.",
        draw=_draw_outliers,
        script=_outlier_script,
    ),
    Noise(
        name="missing-values",
        modalities=("tabular",),
        task_types=_ANY,
        sentence="Cells of some numeric columns are lost at random.",
        draw=_draw_missing,
        script=_missing_script,
    ),
    Noise(
        name="look-alike-columns",
        modalities=("tabular",),
        task_types=_ANY,
        sentence="Poor repeats of two columns are added and mean nothing.",
        draw=_draw_twins,
        script=_twins_script,
    ),
    Noise(
        name="unit-errors",
        modalities=("tabular",),
        task_types=_ANY,
        sentence="One column is recorded in a smaller unit in a share of the rows.",
        draw=_draw_units,
        script=_units_script,
        repair=_units_repair,
    ),
    Noise(
        name="repeated-rows",
        modalities=("tabular", "text"),
        task_types=_ANY,
        sentence="A share of the training rows are copies of other training rows.",
        never_on=("image", "graph"),
        draw=_draw_repeated,
        script=_repeated_script,
    ),
    Noise(
        name="typos",
        modalities=("text",),
        task_types=_ANY,
        sentence="In a share of the longer words two letters change places.",
        draw=_draw_typos,
        script=_typos_script,
    ),
    Noise(
        name="filler-words",
        modalities=("text",),
        task_types=_ANY,
        sentence="Empty words are strewn into the texts.",
        draw=_draw_filler,
        script=_filler_script,
    ),
    Noise(
        name="speckle",
        modalities=("image",),
        task_types=_PICTURES,
        sentence="A share of all pixels is dead or hot.",
        draw=_draw_speckle,
        script=_speckle_script,
    ),
    Noise(
        name="occlusion",
        modalities=("image",),
        task_types=_PICTURES,
        sentence="A dark square covers a part of some pictures.",
        draw=_draw_occlusion,
        script=_occlusion_script,
    ),
    Noise(
        name="blur",
        modalities=("image",),
        task_types=_PICTURES,
        sentence="Some pictures are blurred.",
        draw=_draw_blur,
        script=_blur_script,
    ),
)
"""The noise families that seeds without a difficulty are given: the same seed keeps giving the same task."""
NOISES: Final = (*FIRST[:2], *TARGET_NOISES, *FIRST[2:], *LATER)
"""Every noise family. The first that fits the task type concerns the target and always applies."""


def fitting(family: Family, task_type: str, noises: Sequence[Noise] = NOISES) -> list[Noise]:
    """The noise families that can be laid over a rule family, the target's own first."""
    return [noise for noise in noises if noise.fits(family, task_type)]


def noise_named(name: str) -> Noise | None:
    """The noise family of this name."""
    return next((noise for noise in NOISES if noise.name == name), None)
