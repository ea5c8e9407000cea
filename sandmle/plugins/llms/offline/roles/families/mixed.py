"""Rules over columns that are not plain numbers: codes, gaps, dates."""

from random import Random
from typing import Any, Final

from sandmle.plugins.llms.offline.roles.families.family import Ask, Family, Level, Params, literal, weights
from sandmle.plugins.llms.offline.roles.families.table import draw_table, stacked, table_script

BOTH: Final = ("classification", "regression")
LETTERS: Final = "ABCDEFGHKLMNPRSTUVWXZ"


def _put(rng: Random, params: dict[str, Any], column: list[str]) -> None:
    params["columns"].insert(rng.randrange(len(params["columns"]) + 1), column)


def _draw_code(rng: Random, ask: Ask) -> dict[str, Any]:
    params = draw_table(rng, ask, 1)
    marks: list[str] = []
    while len(marks) < 9:
        mark = rng.choice(LETTERS) + rng.choice(LETTERS)
        if mark not in marks:
            marks.append(mark)
    effects = [round(-1.5 + 3 * i / (len(marks) - 1) + rng.uniform(-0.15, 0.15), 2) for i in range(len(marks))]
    rng.shuffle(effects)
    name, meaning = ask.domain.code
    _put(rng, params, [name, "category", f"{meaning}, two letters and a number"])
    return params | {
        "code": name,
        "effects": dict(zip(marks, effects, strict=True)),
        "series": rng.choice((40, 60, 80)),
        "slope": round(rng.choice((-1, 1)) * rng.uniform(0.9, 1.2), 2),
    }


def _code_script(params: Params) -> str:
    rule = f"""
EFFECTS = {literal(dict(params["effects"]))}
marks = rng.choice(sorted(EFFECTS), ROWS)
series = rng.integers(1, {params["series"]} + 1, ROWS)
clean[{params["code"]!r}] = [f"{{mark}}-{{number:02d}}" for mark, number in zip(marks, series)]
main = standard(np.array([EFFECTS[mark] for mark in marks])) + {params["slope"]} * standard(series.astype(float))
"""
    return table_script(params, rule, "The letters of a code have a level each, and its number counts too.")


def _code_features(params: Params, level: Level) -> str:
    code = f"both[{params['code']!r}].str"
    entries = [f"pd.get_dummies({code}[:2]).to_numpy(float)"]
    if level == "full":
        entries.append(f"{code}[3:].astype(int).to_numpy() / {params['series']}")
    return stacked(params, entries)


def _draw_gaps(rng: Random, ask: Ask) -> dict[str, Any]:
    params = draw_table(rng, ask, 3)
    return params | {"gap_share": [0.4, 0.35, 0.3], "weights": sorted(weights(rng, 3), key=abs, reverse=True)}


def _gaps_script(params: Params) -> str:
    terms = []
    lines = []
    for name, share, weight in zip(params["main"], params["gap_share"], params["weights"], strict=True):
        lines.append(f"gap_{name} = rng.random(ROWS) < {share}")
        lines.append(f"clean.loc[gap_{name}, {name!r}] = np.nan")
        terms.append(f"{weight} * gap_{name}")
    rule = "\n".join([*lines, f"main = {' + '.join(terms)}"])
    return table_script(params, rule, "Whether three readings were taken at all tells more than their values.")


def _gaps_features(params: Params, level: Level) -> str:
    flagged = params["main"] if level == "full" else params["main"][1:2]
    return stacked(params, [f"both[{name!r}].isna().to_numpy(float)" for name in flagged])


def _draw_calendar(rng: Random, ask: Ask) -> dict[str, Any]:
    params = draw_table(rng, ask, 1)
    name, meaning = ask.domain.date
    _put(rng, params, [name, "category", f"{meaning}, as year-month-day"])
    days = [-1.3, -0.8, -0.4, 0.0, 0.5, 0.9, 1.2]
    rng.shuffle(days)
    return params | {
        "date": name,
        "days": days,
        "peak": rng.randrange(1, 365, 7),
        "season": round(rng.uniform(0.9, 1.2), 2),
        "start": f"{rng.randrange(2011, 2020)}-01-01",
    }


def _calendar_script(params: Params) -> str:
    rule = f"""
dates = pd.Timestamp({params["start"]!r}) + pd.to_timedelta(rng.integers(0, 3 * 365, ROWS), unit="D")
clean[{params["date"]!r}] = dates.strftime("%Y-%m-%d")
weekday = np.array({params["days"]})[dates.day_of_week]
season = np.cos(2 * np.pi * (dates.day_of_year.to_numpy() - {params["peak"]}) / 365.25)
main = standard(weekday) + {params["season"]} * standard(season)
"""
    return table_script(params, rule, "The day of the week has a level each, and the season counts too.")


def _calendar_features(params: Params, level: Level) -> str:
    dates = f"pd.to_datetime(both[{params['date']!r}]).dt"
    turn = f"2 * np.pi * {dates}.day_of_year.to_numpy() / 365.25"
    entries = [f"np.cos({turn})", f"np.sin({turn})"]
    if level == "full":
        entries.append(f"np.eye(7)[{dates}.day_of_week.to_numpy()]")
    return stacked(params, entries)


def _draw_age(rng: Random, ask: Ask) -> dict[str, Any]:
    params = _draw_code(rng, ask)
    return params | {"slope": round(rng.choice((-1, 1)) * rng.uniform(0.7, 0.9), 2)}


def _age_script(params: Params) -> str:
    rule = f"""
EFFECTS = {literal(dict(params["effects"]))}
marks = rng.choice(sorted(EFFECTS), ROWS)
series = rng.integers(1, {params["series"]} + 1, ROWS)
clean[{params["code"]!r}] = [f"{{mark}}-{{number:02d}}" for mark, number in zip(marks, series)]
levels = np.array([np.sign(EFFECTS[mark]) * abs(EFFECTS[mark]) ** 0.5 for mark in marks])
main = standard(levels) + {params["slope"]} * standard(np.log(series + 3.0))
"""
    return table_script(params, rule, "The letters of a code are of two camps, and early numbers differ most.")


def _age_features(params: Params, level: Level) -> str:
    code = f"both[{params['code']!r}].str"
    entries = [f"pd.get_dummies({code}[:2]).to_numpy(float)"]
    if level == "full":
        entries.append(f"np.log({code}[3:].astype(int).to_numpy() + 3.0)")
    return stacked(params, entries)


def _draw_count(rng: Random, ask: Ask) -> dict[str, Any]:
    return draw_table(rng, ask, 4) | {"gap_share": rng.choice((0.3, 0.35, 0.4)), "sign": rng.choice((-1, 1))}


def _count_script(params: Params) -> str:
    lines = ["gaps = np.zeros(ROWS)"]
    for name in params["main"]:
        lines.append(f"gap = rng.random(ROWS) < {params['gap_share']}")
        lines.append(f"clean.loc[gap, {name!r}] = np.nan")
        lines.append("gaps += gap")
    rule = "\n".join([*lines, f"main = {params['sign']} * gaps"])
    return table_script(params, rule, "How many of four readings were not taken tells more than their values.")


def _count_features(params: Params, level: Level) -> str:
    flagged = params["main"] if level == "full" else params["main"][:2]
    return stacked(params, [" + ".join(f"both[{name!r}].isna().to_numpy(float)" for name in flagged)])


def _draw_swing(rng: Random, ask: Ask) -> dict[str, Any]:
    return _draw_calendar(rng, ask) | {"weekend": round(rng.choice((-1, 1)) * rng.uniform(0.8, 1.0), 2)}


def _swing_script(params: Params) -> str:
    rule = f"""
dates = pd.Timestamp({params["start"]!r}) + pd.to_timedelta(rng.integers(0, 3 * 365, ROWS), unit="D")
clean[{params["date"]!r}] = dates.strftime("%Y-%m-%d")
season = np.tanh(2.5 * np.cos(2 * np.pi * (dates.day_of_year.to_numpy() - {params["peak"]}) / 365.25))
main = standard(season) + {params["weekend"]} * standard((dates.day_of_week >= 5).astype(float))
"""
    return table_script(params, rule, "One half of the year differs from the other, and weekends from working days.")


def _swing_features(params: Params, level: Level) -> str:
    dates = f"pd.to_datetime(both[{params['date']!r}]).dt"
    turn = f"2 * np.pi * {dates}.day_of_year.to_numpy() / 365.25"
    entries = [f"np.cos({turn})", f"np.sin({turn})"]
    if level == "full":
        entries.append(f"({dates}.day_of_week.to_numpy() >= 5).astype(float)")
    return stacked(params, entries)


MIXED: Final = (
    Family(
        name="code-parts",
        modality="tabular",
        task_types=BOTH,
        sentence="The two letters of a code have a level each and its number acts in proportion.",
        draw=_draw_code,
        script=_code_script,
        features=_code_features,
    ),
    Family(
        name="telling-gaps",
        modality="tabular",
        task_types=BOTH,
        sentence="Whether three readings are absent acts, not their values; two more columns act in proportion.",
        draw=_draw_gaps,
        script=_gaps_script,
        features=_gaps_features,
        unusable_noise=("missing-values",),
    ),
    Family(
        name="calendar-effects",
        modality="tabular",
        task_types=BOTH,
        sentence="The day of the week has a level each and the season acts as a cosine of the day of the year.",
        draw=_draw_calendar,
        script=_calendar_script,
        features=_calendar_features,
    ),
    Family(
        name="code-camps",
        modality="tabular",
        task_types=BOTH,
        sentence="The two letters of a code put it high or low, and the logarithm of its number counts.",
        draw=_draw_age,
        script=_age_script,
        features=_age_features,
    ),
    Family(
        name="gap-count",
        modality="tabular",
        task_types=BOTH,
        sentence="How many of four readings are absent acts, not their values; two more columns act in proportion.",
        draw=_draw_count,
        script=_count_script,
        features=_count_features,
        unusable_noise=("missing-values",),
    ),
    Family(
        name="season-halves",
        modality="tabular",
        task_types=BOTH,
        sentence="One half of the year differs from the other with soft borders, and weekends from working days.",
        draw=_draw_swing,
        script=_swing_script,
        features=_swing_features,
    ),
)
"""Families over codes, gaps and dates."""
