"""Rules of what comes after a history, read off single traits: extremes, a long stay, restlessness, two values."""

from random import Random
from typing import Any, Final

from sandmle.plugins.llms.offline.roles.families.family import Ask, Family, Level, Params
from sandmle.plugins.llms.offline.roles.families.lags import (
    MATERIAL,
    past,
    read_off,
    read_off_features,
    read_off_script,
)

_KEEPS: Final = """
for at in range(1, LAGS):
    past[:, at] = {keep} * past[:, at - 1] + {rest:.3f} * past[:, at]
"""


def _kept(params: Params) -> str:
    """Lines that let a value keep a part of the one before, the spread staying 1."""
    return _KEEPS.format(keep=params["keep"], rest=(1 - params["keep"] ** 2) ** 0.5)


def _draw_extremes(rng: Random, ask: Ask) -> dict[str, Any]:
    return read_off() | {
        "window": rng.choice((7, 8, 9, 10)),
        "highest": round(rng.uniform(0.9, 1.2), 2),
        "lowest": round(rng.uniform(-0.7, -0.4), 2),
        "keep": round(rng.uniform(0.2, 0.4), 2),
    }


def _extremes_script(params: Params) -> str:
    rule = f"""
window = past[:, -{params["window"]} :]
main = {params["highest"]} * window.max(axis=1) + {params["lowest"]} * window.min(axis=1)
"""
    return read_off_script(params, _kept(params), rule, "The highest and the lowest of the latest values count.")


def _extremes_features(params: Params, level: Level) -> str:
    if level == "partial":
        return read_off_features("", "z.max(axis=1)", "z.min(axis=1)")
    window = f"window = z[:, -{params['window']} :]"
    return read_off_features(window, "window.max(axis=1)", "window.min(axis=1)")


def _draw_stay(rng: Random, ask: Ask) -> dict[str, Any]:
    return read_off() | {"keep": round(rng.uniform(0.72, 0.84), 2), "longest": rng.choice((8, 9, 10))}


def _stay_script(params: Params) -> str:
    rule = f"""
above = past > 0
stay = (np.cumprod(above[:, ::-1] == above[:, -1:], axis=1)).sum(axis=1).clip(max={params["longest"]})
main = np.where(above[:, -1], -stay, stay)
"""
    comment = "The longer values have stayed on one side, the further they go to the other."
    return read_off_script(params, _kept(params), rule, comment)


def _stay_features(params: Params, level: Level) -> str:
    if level == "partial":
        return read_off_features("", "np.sign(z[:, -1])", "np.sign(z[:, -4:]).sum(axis=1)")
    rule = f"""
above = z > 0
stay = (np.cumprod(above[:, ::-1] == above[:, -1:], axis=1)).sum(axis=1).clip(max={params["longest"]})
"""
    return read_off_features(rule, "np.where(above[:, -1], -stay, stay)")


def _draw_joint(rng: Random, ask: Ask) -> dict[str, Any]:
    one, other = sorted(rng.sample(range(4, 13), 2))
    return read_off() | {"steps": [one, other], "keep": round(rng.uniform(0.1, 0.3), 2)}


def _joint_script(params: Params) -> str:
    one, other = params["steps"]
    rule = f"""
joint = past[:, LAGS - {one}] * past[:, LAGS - {other}]
main = np.sign(joint) * np.sqrt(np.abs(joint))
"""
    comment = "Two values count together: where both stand on one side, what comes is high."
    return read_off_script(params, _kept(params), rule, comment)


def _joint_features(params: Params, level: Level) -> str:
    one, other = (past(params, steps).replace("past", "z") for steps in params["steps"])
    if level == "partial":
        return read_off_features("", f"np.sign({one}) * {other}")
    return read_off_features(f"joint = {one} * {other}", "np.sign(joint) * np.sqrt(np.abs(joint))")


def _draw_restless(rng: Random, ask: Ask) -> dict[str, Any]:
    return read_off() | {"window": rng.choice((8, 9, 10))}


def _restless_script(params: Params) -> str:
    course = "past *= np.exp(rng.normal(0, 0.5, (ROWS, 1)))"
    rule = f"main = np.log(np.abs(np.diff(past[:, -{params['window']} :], axis=1)).mean(axis=1))"
    return read_off_script(params, course, rule, "What comes is the higher, the more restless the latest values were.")


def _restless_features(params: Params, level: Level) -> str:
    if level == "partial":
        return read_off_features("", "np.log(z[:, -5:].std(axis=1))")
    return read_off_features("", f"np.log(np.abs(np.diff(z[:, -{params['window']} :], axis=1)).mean(axis=1))")


def _draw_peak(rng: Random, ask: Ask) -> dict[str, Any]:
    return read_off() | {"window": rng.choice((12, 14, 16)), "keep": round(rng.uniform(0.3, 0.5), 2)}


def _peak_script(params: Params) -> str:
    rule = f"main = past[:, -{params['window']} :].argmax(axis=1)"
    comment = "The longer ago the peak of the latest values was, the lower is what comes."
    return read_off_script(params, _kept(params), rule, comment)


def _peak_features(params: Params, level: Level) -> str:
    if level == "partial":
        return read_off_features("", "z.argmax(axis=1)")
    return read_off_features("", f"z[:, -{params['window']} :].argmax(axis=1)")


STANDOUTS: Final = (
    Family(
        name="window-extremes",
        modality="tabular",
        task_types=("forecasting",),
        sentence="The highest and the lowest of the latest values tell the next one.",
        draw=_draw_extremes,
        script=_extremes_script,
        features=_extremes_features,
        parts=MATERIAL,
    ),
    Family(
        name="long-stay",
        modality="tabular",
        task_types=("forecasting",),
        sentence="The longer values have stayed on one side of the middle, the further the next goes to the other.",
        draw=_draw_stay,
        script=_stay_script,
        features=_stay_features,
        parts=MATERIAL,
    ),
    Family(
        name="joint-steps",
        modality="tabular",
        task_types=("forecasting",),
        sentence="Two values of the past act together, by the root of their product.",
        draw=_draw_joint,
        script=_joint_script,
        features=_joint_features,
        parts=MATERIAL,
    ),
    Family(
        name="restless-past",
        modality="tabular",
        task_types=("forecasting",),
        sentence="How restless the latest values were tells the next one; where they stood hardly does.",
        draw=_draw_restless,
        script=_restless_script,
        features=_restless_features,
        parts=MATERIAL,
    ),
    Family(
        name="latest-peak",
        modality="tabular",
        task_types=("forecasting",),
        sentence="How long ago the peak of the latest values was tells the next one.",
        draw=_draw_peak,
        script=_peak_script,
        features=_peak_features,
        parts=MATERIAL,
    ),
)
"""Families over histories of which single traits tell what comes."""
