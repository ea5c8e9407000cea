"""What families of histories share: the columns of lags, and a part of the answer that the latest values tell."""

from random import Random
from typing import Any, Final

from sandmle.plugins.llms.offline.roles.families.family import Params
from sandmle.plugins.llms.offline.roles.families.table import PLAIN_SHARE

LAGS: Final = 24
"""Readings of a history that is to be gone on with."""
MATERIAL: Final = ("tabular", "history")
"""What a row consists of: `past` is rows by LAGS, and `signal` what comes."""


def lagged() -> dict[str, Any]:
    """Parameters that every family of histories has."""
    return {
        "lags": LAGS,
        "columns": [[f"lag_{lag:02d}", "number", f"the value {lag} steps before"] for lag in range(LAGS, 0, -1)],
    }


def draw_grain(rng: Random) -> float:
    """How far single readings lie off the law of a history, in its own scale."""
    return round(rng.uniform(0.35, 0.5), 2)


def past(params: Params, steps: int) -> str:
    """The column of the value so many steps before the one asked for, in a solution's words."""
    return f"past[:, {params['lags'] - steps}]"


def read_off() -> dict[str, Any]:
    """Parameters of a family that reads its rule off the history, beside a part that the latest values tell."""
    return lagged() | {"plain": [f"lag_{lag:02d}" for lag in (1, 2, 3)], "share": PLAIN_SHARE}


def read_off_script(params: Params, course: str, rule: str, comment: str) -> str:
    """Draw the histories (`course` leaves `past`), compute the rule's part (`main`) and mix in the plain part."""
    share = params["share"]
    return f"""
LAGS = {params["lags"]}
past = rng.normal(size=(ROWS, LAGS))
{course.strip()}


def standard(values):
    return (values - values.mean()) / values.std()


# {comment}
{rule.strip()}
latest = past[:, -3:].mean(axis=1)
signal = np.sqrt({1 - share:.2f}) * standard(main) + np.sqrt({share:.2f}) * standard(latest)
"""


def read_off_features(rule: str, *columns: str) -> str:
    """Lines of a solution: the columns, of `z`, the history about its middle, and the latest values."""
    listed = ", ".join([*columns, "z[:, -3:].mean(axis=1)"])
    return f"z = past - np.median(past)\n{rule.strip()}\nX = np.column_stack([{listed}])\n"
