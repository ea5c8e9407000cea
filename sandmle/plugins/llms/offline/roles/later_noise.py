"""Noise families that came after the first dozen: of other modalities, and of the ways in which real data is collected.

Like those in `noise.py`, but that `rule` may be of any family: a noise takes nothing for granted but `ranges`.
"""

from random import Random
from typing import Any, Final

from sandmle.plugins.llms.offline.roles.families.family import Params
from sandmle.plugins.llms.offline.roles.noise_kind import Noise

_ROWS: Final = ("classification", "regression", "multilabel", "ranking")
_SOUNDS: Final = (*_ROWS, "reconstruction")
_TABLES: Final = ("tabular", "graph")


def _nothing(params: Params) -> str:
    return ""


def _draw_grades(rng: Random, rule: Params) -> dict[str, Any]:
    return {"sd": round(rng.uniform(0.2, 0.35), 3)}


def _draw_marks(rng: Random, rule: Params) -> dict[str, Any]:
    return {"share": round(rng.uniform(0.03, 0.07), 3)}


def _draw_grain(rng: Random, rule: Params) -> dict[str, Any]:
    return {"sd": round(rng.uniform(0.08, 0.15), 3)}


TARGET_NOISES: Final = (
    Noise(
        name="grade-errors",
        modalities=("tabular", "text", "image", "graph"),
        task_types=("ranking",),
        sentence="Grades were given with a normal error, in units of the signal's standard deviation.",
        draw=_draw_grades,
        script=_nothing,
    ),
    Noise(
        name="label-slips",
        modalities=("tabular", "text", "image", "audio"),
        task_types=("multilabel",),
        sentence="A share of all entries of the labels is drawn anew at random.",
        draw=_draw_marks,
        script=_nothing,
    ),
    Noise(
        name="target-grain",
        modalities=("image", "audio", "series"),
        task_types=("reconstruction",),
        sentence="The values to be restored carry a normal error, in units of their own standard deviation.",
        draw=_draw_grain,
        script=_nothing,
    ),
)
"""One for each type of task whose target the first dozen do not spoil."""


def _numbers(rule: Params) -> list[str]:
    return [name for name in rule["ranges"] if not name.endswith("_repeat")]


def _plain(rng: Random, rule: Params) -> str:
    names: list[str] = sorted(rule.get("plain") or _numbers(rule))
    return rng.choice(names)


def _draw_lost_high(rng: Random, rule: Params) -> dict[str, Any]:
    return {"column": _plain(rng, rule), "share": round(rng.uniform(0.2, 0.35), 2)}


def _lost_high_script(params: Params) -> str:
    return f"""
# High readings of one column get lost more often than low ones.
reading = frame[{params["column"]!r}].rank(pct=True).fillna(0.5).to_numpy()
frame.loc[rng.random(ROWS) < {params["share"]} * reading**2, {params["column"]!r}] = np.nan
"""


def _draw_shift(rng: Random, rule: Params) -> dict[str, Any]:
    return {"column": _plain(rng, rule), "strength": round(rng.uniform(0.5, 0.9), 2)}


def _draw_idle(rng: Random, rule: Params) -> dict[str, Any]:
    return {"column": "earlier_estimate"}


def _idle_script(params: Params) -> str:
    return f"""
# An estimate that another department made of other rows looks like an answer and is worth nothing.
frame[{params["column"]!r}] = rng.normal(50, 12, ROWS).round(1)
"""


def _draw_limit(rng: Random, rule: Params) -> dict[str, Any]:
    name = _plain(rng, rule)
    low, high, digits = rule["ranges"][name]
    return {"column": name, "limit": round(low + rng.uniform(0.72, 0.85) * (high - low), digits)}


def _limit_script(params: Params) -> str:
    return f"""
# An instrument of limited range: higher readings are written down as its limit.
frame[{params["column"]!r}] = frame[{params["column"]!r}].clip(upper={params["limit"]})
"""


def _draw_mixed_share(rng: Random, rule: Params) -> dict[str, Any]:
    return {"minority": round(rng.uniform(0.15, 0.22), 2)}


def _draw_words(rng: Random, rule: Params) -> dict[str, Any]:
    return {"share": round(rng.uniform(0.04, 0.09), 3)}


def _words_script(params: Params) -> str:
    return f"""
# Words are lost in transmission.
texts = [[word for word in line if rng.random() >= {params["share"]}] or line for line in texts]
"""


def _draw_exposure(rng: Random, rule: Params) -> dict[str, Any]:
    return {"gain": round(rng.uniform(0.08, 0.15), 2), "offset": rng.choice((8, 12, 16))}


def _exposure_script(params: Params) -> str:
    return f"""
# The camera's exposure changes from picture to picture.
images = (images - 128) * rng.normal(1, {params["gain"]}, (ROWS, 1, 1)) + 128
images = images + rng.normal(0, {params["offset"]}, (ROWS, 1, 1))
"""


def _draw_hum(rng: Random, rule: Params) -> dict[str, Any]:
    return {"share": round(rng.uniform(0.3, 0.6), 2), "strength": round(rng.uniform(0.2, 0.4), 2)}


def _hum_script(params: Params) -> str:
    return f"""
# The mains hum in some of the recordings.
humming = (rng.random((ROWS, 1)) < {params["share"]}) * {params["strength"]}
waves = waves + humming * np.sin(2 * np.pi * 50 * time + rng.uniform(0, 2 * np.pi, (ROWS, 1)))
"""


def _draw_clicks(rng: Random, rule: Params) -> dict[str, Any]:
    return {"share": round(rng.uniform(0.001, 0.003), 4)}


def _clicks_script(params: Params) -> str:
    return f"""
# Clicks: single samples at the end of the scale.
clicked = rng.random(waves.shape) < {params["share"]}
waves = np.where(clicked, rng.choice([-2.0, 2.0], waves.shape), waves)
"""


def _draw_overdrive(rng: Random, rule: Params) -> dict[str, Any]:
    return {"share": round(rng.uniform(0.2, 0.4), 2), "limit": round(rng.uniform(0.7, 0.9), 2)}


def _overdrive_script(params: Params) -> str:
    return f"""
# Some recordings were too loud for the recorder and are cut off.
cut_off = rng.random((ROWS, 1)) < {params["share"]}
waves = np.where(cut_off, np.clip(waves, -{params["limit"]}, {params["limit"]}), waves)
"""


def _draw_gaps(rng: Random, rule: Params) -> dict[str, Any]:
    return {"array": _array(rule), "share": round(rng.uniform(0.2, 0.4), 2), "length": rng.choice((2, 3))}


def _array(rule: Params) -> str:
    """What holds the readings: a history to go on with, or a series to be described."""
    return "past" if "lags" in rule else "waves"


def _gaps_script(params: Params) -> str:
    return f"""
# The recorder stopped for a while in some rows and wrote its last reading again until it went on.
readings = {params["array"]}
for row in np.flatnonzero(rng.random(ROWS) < {params["share"]}):
    start = rng.integers(1, readings.shape[1] - {params["length"]} - 1)
    readings[row, start : start + {params["length"]}] = readings[row, start - 1]
"""


def _draw_spikes(rng: Random, rule: Params) -> dict[str, Any]:
    return {"array": _array(rule), "share": round(rng.uniform(0.005, 0.015), 4), "height": rng.choice((4, 5))}


def _spikes_script(params: Params) -> str:
    return f"""
# Single readings are far off.
readings = {params["array"]}
far_off = rng.random(readings.shape) < {params["share"]}
readings += far_off * rng.choice([-1.0, 1.0], readings.shape) * {params["height"]} * readings.std()
"""


def _draw_drift(rng: Random, rule: Params) -> dict[str, Any]:
    return {"sd": round(rng.uniform(0.3, 0.6), 2)}


def _drift_script(params: Params) -> str:
    return f"""
# The instrument drifts, upwards or downwards, in every row by another amount.
waves = waves + {params["sd"]} * rng.normal(size=(ROWS, 1)) * np.linspace(-1, 1, waves.shape[1])
"""


def _draw_links(rng: Random, rule: Params) -> dict[str, Any]:
    return {"share": round(rng.uniform(0.05, 0.1), 3)}


def _lost_links_script(params: Params) -> str:
    return f"""
# A share of the links was never written down.
links = links[rng.random(len(links)) >= {params["share"]}]
"""


def _stray_links_script(params: Params) -> str:
    return f"""
# Links that are not there were written down by mistake.
stray = rng.integers(0, ROWS, (int({params["share"]} * len(links)), 2))
links = np.unique(np.vstack([links, np.sort(stray[stray[:, 0] != stray[:, 1]], axis=1)]), axis=0)
"""


def _noise(name: str, where: tuple[str, ...], types: tuple[str, ...], told: str, *functions: Any) -> Noise:
    draw, script = functions
    return Noise(name=name, modalities=where, task_types=types, sentence=told, draw=draw, script=script)


LATER: Final = (
    _noise(
        "lost-when-high",
        _TABLES,
        _ROWS,
        "High readings of one column are lost more often than low ones.",
        _draw_lost_high,
        _lost_high_script,
    ),
    _noise(
        "shifted-sample",
        ("tabular",),
        ("classification", "regression", "ranking"),
        "Training rows were collected where one column is low, test rows where it is high.",
        _draw_shift,
        _nothing,
    ),
    _noise(
        "idle-estimate",
        _TABLES,
        _ROWS,
        "A column that looks like an earlier estimate of the answer is worth nothing.",
        _draw_idle,
        _idle_script,
    ),
    _noise(
        "limited-range",
        _TABLES,
        _ROWS,
        "High readings of one column are written down as the limit of the instrument.",
        _draw_limit,
        _limit_script,
    ),
    Noise(
        name="class-imbalance",
        modalities=("tabular", "text", "image", "graph", "audio", "series"),
        task_types=("classification",),
        sentence="One class is rare.",
        draw=_draw_mixed_share,
        script=_nothing,
        ordered_only=True,
    ),
    _noise("lost-words", ("text",), _ROWS, "A share of the words is lost.", _draw_words, _words_script),
    _noise(
        "exposure",
        ("image",),
        (*_ROWS, "reconstruction"),
        "Brightness and contrast change from picture to picture.",
        _draw_exposure,
        _exposure_script,
    ),
    _noise("mains-hum", ("audio",), _SOUNDS, "Some recordings hum at 50 hertz.", _draw_hum, _hum_script),
    _noise("clicks", ("audio",), _SOUNDS, "Single samples click.", _draw_clicks, _clicks_script),
    _noise("overdrive", ("audio",), _SOUNDS, "Some recordings are cut off.", _draw_overdrive, _overdrive_script),
    _noise(
        "time-gaps",
        ("series", "history"),
        (*_ROWS, "forecasting"),
        "The recorder stopped for a while in some rows and repeated its last reading.",
        _draw_gaps,
        _gaps_script,
    ),
    _noise(
        "spikes",
        ("series", "history"),
        (*_ROWS, "forecasting"),
        "Single readings are far off.",
        _draw_spikes,
        _spikes_script,
    ),
    _noise("drift", ("series",), _ROWS, "The instrument drifts in every row.", _draw_drift, _drift_script),
    _noise("lost-links", ("graph",), _ROWS, "A share of the links is missing.", _draw_links, _lost_links_script),
    _noise(
        "stray-links", ("graph",), _ROWS, "Some links are there that should not be.", _draw_links, _stray_links_script
    ),
)
"""Those that may or may not apply."""
