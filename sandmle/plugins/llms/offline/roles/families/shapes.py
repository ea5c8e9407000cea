"""More rules over numeric columns: a saddle, one column that switches others, sectors of direction, shares."""

from random import Random
from typing import Any, Final

from sandmle.plugins.llms.offline.roles.families.family import Ask, Family, Level, Params, signed, weights
from sandmle.plugins.llms.offline.roles.families.numeric import BOTH, angle_features, draw_angle, draw_ratio
from sandmle.plugins.llms.offline.roles.families.table import (
    centred_lines,
    draw_table,
    plain_columns,
    stacked,
    table_script,
)


def _draw_saddle(rng: Random, ask: Ask) -> dict[str, Any]:
    params = draw_table(rng, ask, 3)
    first, second, third = (abs(one) for one in weights(rng, 3))
    # Both directions occur, so that no single distance stands for the rule.
    return params | {"weights": [first, -second, round(0.7 * third * rng.choice((-1, 1)), 2)]}


def _saddle_script(params: Params) -> str:
    terms = zip(params["weights"], params["main"], strict=True)
    rule = "main = " + " ".join(f"{signed(weight)} * centred({name!r}) ** 2" for weight, name in terms)
    return table_script(params, rule, "One column is best in its middle, another at its ends.")


def _saddle_features(params: Params, level: Level) -> str:
    return stacked(params, [f"u({name!r}) ** 2" for name in params["main"][: 3 if level == "full" else 1]])


def _draw_hub(rng: Random, ask: Ask) -> dict[str, Any]:
    return draw_table(rng, ask, 4) | {"weights": sorted(weights(rng, 3), key=abs, reverse=True)}


def _hub_script(params: Params) -> str:
    hub, *others = params["main"]
    terms = zip(params["weights"], others, strict=True)
    inner = " ".join(f"{signed(weight)} * centred({name!r})" for weight, name in terms)
    return table_script(
        params, f"main = centred({hub!r}) * ({inner})", "One column decides which way three others act."
    )


def _hub_features(params: Params, level: Level) -> str:
    hub, *others = params["main"]
    return stacked(params, [f"u({hub!r}) * u({name!r})" for name in others[: 3 if level == "full" else 1]])


def _sector_script(params: Params) -> str:
    (a, b), (j, k), (s, t) = params["main"], params["turns"], params["shifts"]
    rule = (
        f"first = np.tanh(2.5 * np.cos(np.radians({j} * (clean[{a!r}] - {s}))))\n"
        f"second = np.tanh(2.5 * np.cos(np.radians({k} * (clean[{b!r}] - {t}))))\n"
        f"main = (first + {params['second']} * second).to_numpy()"
    )
    return table_script(params, rule, "Two directions act by the sector they fall into, with soft borders.")


def _share(params: Params, reader: str, pair: int) -> str:
    a, b = params["main"][2 * pair : 2 * pair + 2]
    scale = params["ranges"][a][1] / params["ranges"][b][1]
    return f"1 / (1 + ({scale:.4g} * {reader}({b!r}) / {reader}({a!r})) ** 2)"


def _share_script(params: Params) -> str:
    rule = f"""
def column(name):
    return np.maximum(clean[name].to_numpy(), 1e-3)


main = standard({_share(params, "column", 0)}) - {params["second"]} * standard({_share(params, "column", 1)})
"""
    return table_script(params, rule, "Two pairs of columns act through the share that one has of both.")


def _share_features(params: Params, level: Level) -> str:
    entries = [_share(params, "column", pair) for pair in range(2 if level == "full" else 1)]
    lines = """

def column(name):
    return np.maximum(both[name].fillna(both[name].median()).to_numpy(), 1e-3)


"""
    columns = "".join(f"    {entry},\n" for entry in [*entries, *plain_columns(params)])
    return f"{centred_lines(params).rstrip()}\n{lines}X = np.column_stack([\n{columns}])\n"


SHAPES: Final = (
    Family(
        name="saddle-curve",
        modality="tabular",
        task_types=BOTH,
        sentence="Three columns act through their squares, with different signs; two more act in proportion.",
        draw=_draw_saddle,
        script=_saddle_script,
        features=_saddle_features,
    ),
    Family(
        name="switching-hub",
        modality="tabular",
        task_types=BOTH,
        sentence="One column multiplies the weighted sum of three others; two more act in proportion.",
        draw=_draw_hub,
        script=_hub_script,
        features=_hub_features,
    ),
    Family(
        name="direction-sector",
        modality="tabular",
        task_types=BOTH,
        sentence="Two angles in degrees act by the sector they fall into, with soft borders; two more in proportion.",
        draw=draw_angle,
        script=_sector_script,
        features=angle_features,
    ),
    Family(
        name="paired-share",
        modality="tabular",
        task_types=BOTH,
        sentence="Two pairs of columns act through the share that one has of the sum of squares of both.",
        draw=draw_ratio,
        script=_share_script,
        features=_share_features,
    ),
)
"""More families over numeric columns."""
