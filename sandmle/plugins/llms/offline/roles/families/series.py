"""Rules over readings in time, which are files: how they swing and change, and what is missing of them."""

from random import Random
from typing import Any, Final

from sandmle.plugins.llms.offline.roles.families.family import Ask, Family, Level, Params

BOTH: Final = ("classification", "regression")
STEPS: Final = 64
"""Readings of a series that is described."""

_HEAD = f"""
STEPS = {STEPS}
step = np.arange(STEPS)
"""


def _draw_cycle(rng: Random, ask: Ask) -> dict[str, Any]:
    return {
        "shortest": rng.choice((4, 5)),
        "longest": rng.choice((16, 18, 20)),
        "overtone": round(rng.uniform(0.3, 0.7), 2),
        "grain": round(rng.uniform(0.45, 0.65), 2),
    }


def _cycle_script(params: Params) -> str:
    return f"""{_HEAD}
# Readings swing about a level of their own: the length of a swing counts, not its level, size or phase.
signal = rng.uniform({params["shortest"]}, {params["longest"]}, ROWS)
turn = 2 * np.pi * step / signal[:, None] + rng.uniform(0, 2 * np.pi, (ROWS, 1))
waves = np.sin(turn) + {params["overtone"]} * np.sin(2 * turn + 1)
waves = rng.normal(0, 1, (ROWS, 1)) + rng.uniform(0.7, 1.3, (ROWS, 1)) * waves
waves += {params["grain"]} * rng.normal(size=waves.shape)
"""


def _cycle_features(params: Params, level: Level) -> str:
    centred = "flat = waves - waves.mean(axis=1, keepdims=True)\n"
    if level == "partial":
        return f"{centred}X = (np.diff(np.sign(flat), axis=1) != 0).mean(axis=1)[:, None]\n"
    return f"""{centred}
lengths = np.linspace({params["shortest"]} - 0.5, {params["longest"]} + 2, 140)
turn = np.exp(2j * np.pi * np.arange(flat.shape[1]) / lengths[:, None])
found = (np.abs(flat @ turn.T) ** 2).argmax(axis=1)
X = np.column_stack([lengths[found], (np.diff(np.sign(flat), axis=1) != 0).mean(axis=1)])
"""


def _draw_break(rng: Random, ask: Ask) -> dict[str, Any]:
    return {"jump": round(rng.uniform(1.6, 2.2), 2), "memory": round(rng.uniform(0.3, 0.5), 2), "rim": 8}


def _break_script(params: Params) -> str:
    return f"""{_HEAD}
# The level jumps once, up or down: when it does counts.
signal = rng.integers({params["rim"]}, STEPS - {params["rim"]} + 1, ROWS).astype(float)
way = rng.choice([-1.0, 1.0], (ROWS, 1)) * rng.uniform(0.8, 1.2, (ROWS, 1))
grain = rng.normal(size=(ROWS, STEPS))
for at in range(1, STEPS):
    grain[:, at] += {params["memory"]} * grain[:, at - 1]
waves = rng.normal(0, 1.5, (ROWS, 1)) + {params["jump"]} * way * (step >= signal[:, None]) + grain
"""


def _break_features(params: Params, level: Level) -> str:
    if level == "partial":
        return "X = waves[:, :32].mean(axis=1)[:, None] - waves.reshape(len(waves), 8, -1).mean(axis=2)\n"
    rim = params["rim"]
    return f"""
places = np.arange({rim}, waves.shape[1] - {rim} + 1)
total, many = np.cumsum(waves, axis=1), waves.shape[1]
before = total[:, places - 1] / places
after = (total[:, [-1]] - total[:, places - 1]) / (many - places)
gain = (before - after) ** 2 * places * (many - places) / many
weight = np.exp((gain - gain.max(axis=1, keepdims=True)) / 2)
X = np.column_stack([places[gain.argmax(axis=1)], (weight * places).sum(axis=1) / weight.sum(axis=1)])
"""


def _draw_memory(rng: Random, ask: Ask) -> dict[str, Any]:
    return {"least": round(rng.uniform(-0.5, -0.3), 2), "most": round(rng.uniform(0.85, 0.93), 2)}


def _memory_script(params: Params) -> str:
    return f"""{_HEAD}
# Every reading remembers the one before, more or less: how much counts.
signal = rng.uniform({params["least"]}, {params["most"]}, ROWS)
waves = rng.normal(size=(ROWS, STEPS))
for at in range(1, STEPS):
    waves[:, at] = signal * waves[:, at - 1] + np.sqrt(1 - signal**2) * waves[:, at]
waves = rng.normal(0, 1, (ROWS, 1)) + rng.uniform(0.6, 1.6, (ROWS, 1)) * waves
"""


def _memory_features(params: Params, level: Level) -> str:
    likeness = "(flat[:, {lag}:] * flat[:, :-{lag}]).mean(axis=1) / (flat**2).mean(axis=1)"
    lags = (1, 2, 3) if level == "full" else (3,)
    columns = ", ".join(likeness.format(lag=lag) for lag in lags)
    return f"flat = waves - waves.mean(axis=1, keepdims=True)\nX = np.column_stack([{columns}])\n"


def _draw_bursts(rng: Random, ask: Ask) -> dict[str, Any]:
    return {"most": rng.choice((7, 8, 9)), "height": round(rng.uniform(2.4, 3.0), 2), "width": rng.choice((2, 3))}


def _bursts_script(params: Params) -> str:
    return f"""{_HEAD}
# Bursts of a fixed width stand out of a restless ground: their number counts.
signal = rng.integers(0, {params["most"]} + 1, ROWS).astype(float)
waves = rng.normal(size=(ROWS, STEPS)) + rng.normal(0, 1, (ROWS, 1))
places = rng.random((ROWS, STEPS // {params["width"] + 1})).argsort(axis=1)
for burst in range({params["most"]}):
    for at in range({params["width"]}):
        column = places[:, burst] * {params["width"] + 1} + at
        waves[np.arange(ROWS), column] += {params["height"]} * (burst < signal)
"""


def _bursts_features(params: Params, level: Level) -> str:
    if level == "partial":
        return "flat = waves - np.median(waves, axis=1, keepdims=True)\nX = (flat**2).mean(axis=1)[:, None]\n"
    width = params["width"]
    return f"""
flat = waves - np.median(waves, axis=1, keepdims=True)
total = np.cumsum(np.pad(flat, ((0, 0), (1, 0))), axis=1)
piece = (total[:, {width}:] - total[:, :-{width}]) / {width}
cells = piece[:, :: {width + 1}]
sharp = 1 / (1 + np.exp(-6 * (cells - {params["height"]} / 2)))
X = np.column_stack([sharp.sum(axis=1), np.maximum(cells, 0).sum(axis=1)])
"""


def _draw_stretch(rng: Random, ask: Ask) -> dict[str, Any]:
    return {"period": rng.choice((9, 11, 13)), "gap": rng.randrange(27, 34), "values": 5, "grain": 0.25}


def _stretch_script(params: Params) -> str:
    return f"""{_HEAD}
# A pattern of fixed length, different in every series, repeats itself; a few readings were lost and stand at 0.
PERIOD, GAP, VALUES = {params["period"]}, {params["gap"]}, {params["values"]}
pattern = np.cumsum(rng.normal(size=(ROWS, PERIOD)), axis=1)
pattern -= pattern.mean(axis=1, keepdims=True)
waves = pattern[:, step % PERIOD] + {params["grain"]} * rng.normal(size=(ROWS, STEPS))
hidden = 10 * pattern[:, step[GAP : GAP + VALUES] % PERIOD]
waves[:, GAP : GAP + VALUES] = 0
"""


def _stretch_features(params: Params, level: Level) -> str:
    at, many, period = params["gap"], params["values"], params["period"]
    shifts = [-2, -1, 1, 2] if level == "full" else [-1]
    pieces = [f"waves[:, {at + shift * period} : {at + shift * period + many}]" for shift in shifts]
    return f"X = {' + '.join(pieces)}\n"


SERIES: Final = (
    Family(
        name="swing-length",
        modality="series",
        task_types=BOTH,
        sentence="The length of the swings of the readings acts; level, size and phase do not.",
        draw=_draw_cycle,
        script=_cycle_script,
        features=_cycle_features,
    ),
    Family(
        name="single-break",
        modality="series",
        task_types=BOTH,
        sentence="The time at which the level jumps acts; the direction and size of the jump do not.",
        draw=_draw_break,
        script=_break_script,
        features=_break_features,
    ),
    Family(
        name="fading-memory",
        modality="series",
        task_types=BOTH,
        sentence="How much a reading remembers of the one before acts; level and size do not.",
        draw=_draw_memory,
        script=_memory_script,
        features=_memory_features,
    ),
    Family(
        name="burst-count",
        modality="series",
        task_types=BOTH,
        sentence="The number of bursts of a fixed width acts.",
        draw=_draw_bursts,
        script=_bursts_script,
        features=_bursts_features,
    ),
    Family(
        name="repeating-stretch",
        modality="series",
        task_types=("reconstruction",),
        sentence="A pattern of fixed length repeats itself, so that lost readings stand one length before and after.",
        draw=_draw_stretch,
        script=_stretch_script,
        features=_stretch_features,
    ),
)
"""Families over series: `waves` is rows by STEPS, written as one CSV file a row."""
