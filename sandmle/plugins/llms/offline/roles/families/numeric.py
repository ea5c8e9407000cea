"""Rules over numeric columns: products, distances, thresholds, angles, quotients, few of many."""

from random import Random
from typing import Any, Final

from sandmle.plugins.llms.offline.roles.families.family import Ask, Family, Level, Params, signed, weights
from sandmle.plugins.llms.offline.roles.families.table import (
    centred_lines,
    draw_table,
    plain_columns,
    stacked,
    table_script,
)

BOTH: Final = ("classification", "regression")


def _draw_products(rng: Random, ask: Ask) -> dict[str, Any]:
    params = draw_table(rng, ask, 4)
    return params | {"weights": sorted(weights(rng, 2), key=abs, reverse=True)}


def _product_script(params: Params) -> str:
    (a, b, c, d), (first, second) = params["main"], params["weights"]
    rule = f"main = {first} * centred({a!r}) * centred({b!r}) + {second} * centred({c!r}) * centred({d!r})"
    return table_script(params, rule, "Two pairs of columns act through their products.")


def _product_features(params: Params, level: Level) -> str:
    a, b, c, d = params["main"]
    entries = [f"u({a!r}) * u({b!r})"]
    if level == "full":
        entries.append(f"u({c!r}) * u({d!r})")
    return stacked(params, entries)


def _draw_ring(rng: Random, ask: Ask) -> dict[str, Any]:
    params = draw_table(rng, ask, 3)
    return params | {"centre": [round(rng.uniform(-0.3, 0.3), 2) for _ in range(3)]}


def _distance(params: Params, reader: str, count: int) -> str:
    pairs = list(zip(params["main"], params["centre"], strict=True))[:count]
    return " + ".join(f"({reader}({name!r}) {signed(-centre)}) ** 2" for name, centre in pairs)


def _ring_script(params: Params) -> str:
    rule = f"main = np.sqrt({_distance(params, 'centred', 3)})"
    return table_script(params, rule, "The distance from a working point, over three columns, decides.")


def _ring_features(params: Params, level: Level) -> str:
    return stacked(params, [f"np.sqrt({_distance(params, 'u', 3 if level == 'full' else 2)})"])


def _draw_steps(rng: Random, ask: Ask) -> dict[str, Any]:
    params = draw_table(rng, ask, 3)
    cuts = [round(rng.uniform(-0.3, 0.3), 2) for _ in range(3)]
    # Each side of a threshold has a level of its own, and two pairs of sides disagree with one another.
    first, second, third = weights(rng, 3)
    sizes = []
    for number in range(8):
        a, b, c = (number >> at & 1 for at in range(3))
        sizes.append(round(0.5 * (first * a + second * b + third * c) + 1.1 * (a ^ b) + 0.6 * (b ^ c), 2))
    return params | {"cuts": cuts, "cells": sizes}


def _cell(params: Params, reader: str, count: int) -> str:
    parts = zip(params["main"], params["cuts"], (1, 2, 4), strict=True)
    return " + ".join(f"{bit} * ({reader}({name!r}) > {cut})" for name, cut, bit in list(parts)[:count])


def _steps_script(params: Params) -> str:
    rule = f"cell = {_cell(params, 'centred', 3)}\nmain = np.array({params['cells']})[cell]"
    return table_script(params, rule, "Three thresholds make eight cells, each with a level of its own.")


def _steps_features(params: Params, level: Level) -> str:
    if level == "full":
        return stacked(params, [f"np.eye(8)[{_cell(params, 'u', 3)}]"])
    parts = zip(params["main"], params["cuts"], strict=True)
    above = [f"np.sign(u({name!r}) {signed(-cut)})" for name, cut in parts]
    return stacked(params, [*above, f"{above[0]} * {above[1]}"])


def draw_angle(rng: Random, ask: Ask) -> dict[str, Any]:
    """Two angle columns, how often each turns round, and where its rule points."""
    params = draw_table(rng, ask, 2)
    first, second = rng.sample(ask.domain.angles, 2)
    for one in (first, second):
        params["columns"].insert(rng.randrange(len(params["columns"]) + 1), [one.name, "number", one.meaning])
        params["ranges"][one.name] = [one.low, one.high, one.decimals]
    turns = [1, rng.choice((1, 2))]
    shifts = [rng.randrange(0, 360, 5) for _ in range(2)]
    return params | {"main": [first.name, second.name], "turns": turns, "shifts": shifts, "second": 0.7}


def _angle_script(params: Params) -> str:
    (a, b), (j, k), (s, t) = params["main"], params["turns"], params["shifts"]
    rule = (
        f"first = np.cos(np.radians({j} * (clean[{a!r}] - {s})))\n"
        f"second = np.cos(np.radians({k} * (clean[{b!r}] - {t})))\n"
        f"main = (first + {params['second']} * second).to_numpy()"
    )
    return table_script(params, rule, "Two directions act through the cosine of their angle to a preferred one.")


def angle_features(params: Params, level: Level) -> str:
    """Cosine and sine of the angles' multiples."""
    entries = []
    for name, turns in list(zip(params["main"], params["turns"], strict=True))[: 2 if level == "full" else 1]:
        angle = f"np.radians({turns} * both[{name!r}].fillna(180).to_numpy())"
        entries += [f"np.cos({angle})", f"np.sin({angle})"]
    return stacked(params, entries)


def draw_ratio(rng: Random, ask: Ask) -> dict[str, Any]:
    """Two pairs of columns that keep away from zero."""
    params = draw_table(rng, ask, 4)
    for name in params["main"]:
        # A quotient of columns that reach zero would be dominated by a few rows.
        low, high, digits = params["ranges"][name]
        params["ranges"][name] = [round(max(low, high / 12), digits), high, digits]
    return params | {"second": round(rng.uniform(0.6, 0.8), 2), "target_log": round(rng.uniform(-0.2, 0.2), 2)}


def _log_quotient(params: Params, reader: str, pair: int) -> str:
    a, b = params["main"][2 * pair : 2 * pair + 2]
    scale = params["ranges"][a][1] / params["ranges"][b][1]
    return f"np.log({reader}({a!r}) / {reader}({b!r}) / {scale:.4g})"


def _ratio_script(params: Params) -> str:
    rule = f"""
def column(name):
    return np.maximum(clean[name].to_numpy(), 1e-3)


first = np.abs({_log_quotient(params, "column", 0)} {signed(-params["target_log"])})
second = {_log_quotient(params, "column", 1)}
main = -standard(first) + {params["second"]} * standard(second)
"""
    return table_script(
        params, rule, "One pair of columns should stand in a fixed proportion; another acts as a quotient."
    )


def _ratio_features(params: Params, level: Level) -> str:
    reader = "column"
    first = f"np.abs({_log_quotient(params, reader, 0)} {signed(-params['target_log'])})"
    entries = [first] + ([_log_quotient(params, reader, 1)] if level == "full" else [])
    lines = """

def column(name):
    return np.maximum(both[name].fillna(both[name].median()).to_numpy(), 1e-3)


"""
    columns = "".join(f"    {entry},\n" for entry in [*entries, *plain_columns(params)])
    return f"{centred_lines(params).rstrip()}\n{lines}X = np.column_stack([\n{columns}])\n"


def _draw_sparse(rng: Random, ask: Ask) -> dict[str, Any]:
    params = draw_table(rng, ask, 3)
    base = {name: list(bounds) for name, bounds in params["ranges"].items()}
    meanings = {name: meaning for name, _, meaning in params["columns"]}
    params["ranges"] = {}
    params["columns"] = []
    places = rng.sample((("a", "station A"), ("b", "station B"), ("c", "station C"), ("d", "station D")), 4)
    for name, bounds in base.items():
        for mark, place in places:
            params["ranges"][f"{name}_{mark}"] = bounds
            params["columns"].append([f"{name}_{mark}", "number", f"{meanings[name]} (reading at {place})"])
    names = sorted(params["ranges"])
    chosen = rng.sample(names, 6)
    params["main"], plain = chosen[:4], chosen[4:]
    params["plain"] = dict(zip(plain, weights(rng, 2), strict=True))
    return params | {"weights": weights(rng, 4)}


def _sparse_script(params: Params) -> str:
    readings = [f"np.abs(centred({name!r}))" for name in params["main"][:2]]
    readings += [f"0.5 * centred({name!r})" for name in params["main"][2:]]
    terms = zip(params["weights"], readings, strict=True)
    rule = "main = (\n" + "".join(f"    {signed(weight)} * {reading}\n" for weight, reading in terms) + ")"
    return table_script(params, rule, "Six of many readings act, two of them by their distance from the middle.")


def _sparse_features(params: Params, level: Level) -> str:
    bent = [f"np.abs(u({name!r}))" for name in params["main"][: 2 if level == "full" else 1]]
    return stacked(params, [*bent, *[f"u({name!r})" for name in params["main"][2:]]])


NUMERIC: Final = (
    Family(
        name="pairwise-interaction",
        modality="tabular",
        task_types=BOTH,
        sentence="Two pairs of centred columns act through their products; two more columns act in proportion.",
        draw=_draw_products,
        script=_product_script,
        features=_product_features,
    ),
    Family(
        name="ring-distance",
        modality="tabular",
        task_types=BOTH,
        sentence="The Euclidean distance of three scaled columns from a working point acts; two more in proportion.",
        draw=_draw_ring,
        script=_ring_script,
        features=_ring_features,
    ),
    Family(
        name="threshold-cells",
        modality="tabular",
        task_types=BOTH,
        sentence="Three thresholds make eight cells with a level each; two more columns act in proportion.",
        draw=_draw_steps,
        script=_steps_script,
        features=_steps_features,
    ),
    Family(
        name="angle-cosine",
        modality="tabular",
        task_types=BOTH,
        sentence="Two angles in degrees act through cosines of their multiples; two more columns act in proportion.",
        draw=draw_angle,
        script=_angle_script,
        features=angle_features,
    ),
    Family(
        name="paired-quotient",
        modality="tabular",
        task_types=BOTH,
        sentence="The log quotient of one pair counts by its distance from a set value, that of another directly.",
        draw=draw_ratio,
        script=_ratio_script,
        features=_ratio_features,
    ),
    Family(
        name="few-readings",
        modality="tabular",
        task_types=BOTH,
        sentence="Six of many readings act, two by their distance from the middle of their range; the others do not.",
        draw=_draw_sparse,
        script=_sparse_script,
        features=_sparse_features,
    ),
)
"""Families over numeric columns."""
