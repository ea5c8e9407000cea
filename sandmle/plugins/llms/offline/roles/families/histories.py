"""Rules of what comes after a history that goes on by a law: it recurs, turns over, or dies down."""

from random import Random
from typing import Any, Final

from sandmle.plugins.llms.offline.roles.families.family import Ask, Family, Level, Params
from sandmle.plugins.llms.offline.roles.families.lags import MATERIAL, draw_grain, lagged, past


def _draw_seasonal(rng: Random, ask: Ask) -> dict[str, Any]:
    period, season = rng.choice((5, 6, 7, 8)), round(rng.uniform(0.75, 0.9), 2)
    return lagged() | {"period": period, "season": season, "grain": draw_grain(rng)}


def _seasonal_script(params: Params) -> str:
    return f"""
LAGS, PERIOD = {params["lags"]}, {params["period"]}

# A pattern of fixed length that differs from row to row; the value to come goes on with it.
pattern = rng.normal(size=(ROWS, PERIOD))
level = rng.normal(0, 0.8, (ROWS, 1))
whole = level + {params["season"]} * pattern[:, np.arange(LAGS + 1) % PERIOD]
past = whole[:, :LAGS] + {params["grain"]} * rng.normal(size=(ROWS, LAGS))
signal = whole[:, LAGS]
"""


def _seasonal_features(params: Params, level: Level) -> str:
    seasons = range(params["period"], params["lags"] + 1, params["period"])
    steps = list(seasons) if level == "full" else list(seasons)[-1:]
    pieces = [past(params, one) for one in steps]
    return f"X = np.column_stack([({' + '.join(pieces)}) / {len(pieces)}, past.mean(axis=1)])\n"


def _draw_switch(rng: Random, ask: Ask) -> dict[str, Any]:
    return lagged() | {
        "grain": draw_grain(rng),
        "keep": round(rng.uniform(0.7, 0.85), 2),
        "cut": round(rng.uniform(-0.2, 0.2), 2),
    }


def _switch_script(params: Params) -> str:
    return f"""
LAGS = {params["lags"]}

# Above a level a value keeps close to the one before, below it turns over to the other side.
past = rng.normal(size=(ROWS, LAGS + 1))
for at in range(2, LAGS + 1):
    before = past[:, at - 1]
    course = np.where(past[:, at - 2] > {params["cut"]}, {params["keep"]} * before, -{params["keep"]} * before)
    past[:, at] = course + {params["grain"] + 0.2:.2f} * past[:, at]
signal, past = course, past[:, :LAGS]
"""


def _switch_features(params: Params, level: Level) -> str:
    last, before = past(params, 1), past(params, 2)
    # Lags are scaled as the target is; the middle of the training values stands for the middle of the process.
    side = f"np.sign({before} - np.median({before}))" if level == "full" else f"({before} - np.median({before}))"
    return f"X = np.column_stack([{side} * ({last} - np.median({last})), {last}, {before}])\n"


def _draw_bend(rng: Random, ask: Ask) -> dict[str, Any]:
    return lagged() | {
        "grain": draw_grain(rng),
        "ahead": rng.choice((4, 5, 6)),
        "damping": round(rng.uniform(0.97, 0.99), 3),
    }


def _bend_script(params: Params) -> str:
    return f"""
LAGS, AHEAD = {params["lags"]}, {params["ahead"]}

# Every row swings at a rate of its own, and the swing dies down; to come is the value some steps ahead.
turn = rng.uniform(0.25, 0.9, (ROWS, 1))
when = np.arange(LAGS + AHEAD)
whole = {params["damping"]} ** when * np.cos(turn * when + rng.uniform(0, 2 * np.pi, (ROWS, 1)))
whole *= rng.uniform(0.7, 1.4, (ROWS, 1)) / {params["damping"]} ** LAGS
past = whole[:, :LAGS] + {params["grain"] * 0.5:.3f} * rng.normal(size=(ROWS, LAGS))
signal = whole[:, -1]
"""


def _bend_features(params: Params, level: Level) -> str:
    if level == "partial":
        return f"X = np.column_stack([past[:, -4:], {past(params, 1)} * past[:, -2]])\n"
    return f"""
# Of every rate that may be, how well a dying swing at that rate goes through the history, and where it leads to.
flat = past - past.mean()
when = np.arange({params["lags"]} + {params["ahead"]})
errors, leads = [], []
for turn in np.linspace(0.2, 0.95, 40):
    shape = {params["damping"]} ** when[:, None] * np.column_stack([np.cos(turn * when), np.sin(turn * when)])
    fit = np.linalg.pinv(shape[: {params["lags"]}]) @ flat.T
    errors.append(((shape[: {params["lags"]}] @ fit - flat.T) ** 2).sum(axis=0))
    leads.append(shape[-1] @ fit)
errors, leads = np.array(errors), np.array(leads)
weight = np.exp(-(errors - errors.min(axis=0)) / errors.min(axis=0).mean() * 10)
best = leads[errors.argmin(axis=0), np.arange(len(flat))]
X = np.column_stack([(weight * leads).sum(axis=0) / weight.sum(axis=0), best])
"""


HISTORIES: Final = (
    Family(
        name="recurring-pattern",
        modality="tabular",
        task_types=("forecasting",),
        sentence="A pattern of fixed length recurs, so that values whole lengths ago tell the next one.",
        draw=_draw_seasonal,
        script=_seasonal_script,
        features=_seasonal_features,
        parts=MATERIAL,
    ),
    Family(
        name="switching-course",
        modality="tabular",
        task_types=("forecasting",),
        sentence="The last value keeps its side or turns over, depending on the one before it.",
        draw=_draw_switch,
        script=_switch_script,
        features=_switch_features,
        parts=MATERIAL,
    ),
    Family(
        name="dying-swing",
        modality="tabular",
        task_types=("forecasting",),
        sentence="Every row swings at a rate of its own that dies down; the value some steps ahead is asked for.",
        draw=_draw_bend,
        script=_bend_script,
        features=_bend_features,
        parts=MATERIAL,
    ),
)
"""Families over histories whose values follow one another by a law."""
