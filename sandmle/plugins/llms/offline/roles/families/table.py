"""What the tabular families share: numeric columns with ranges, a plain part, and mixing it with the rule."""

from random import Random
from typing import Any

from sandmle.plugins.llms.offline.roles.families.family import Ask, Params, literal, signed, weights

PLAIN_SHARE = 0.25
"""Part of the signal's variance that any linear model finds, so that plain work beats a constant."""


def draw_table(rng: Random, ask: Ask, taken: int) -> dict[str, Any]:
    """Ranges of numeric columns, those the rule takes (`main`) and the plain part's weights.

    Args:
        rng: The draw.
        ask: What is wanted.
        taken: Numeric columns the rule itself needs.
    """
    count = max(min(ask.numbers, len(ask.domain.measures)), taken + 2)
    chosen = rng.sample(ask.domain.measures, min(count, len(ask.domain.measures)))
    names = [one.name for one in chosen]
    plain = names[taken : taken + 2]
    params: dict[str, Any] = {
        "ranges": {one.name: [one.low, one.high, one.decimals] for one in chosen},
        "main": names[:taken],
        "plain": dict(zip(plain, weights(rng, 2), strict=True)),
        "share": PLAIN_SHARE,
    }
    shown = list(chosen)
    rng.shuffle(shown)
    params["columns"] = [[one.name, "number", one.meaning] for one in shown]
    return params


def table_script(params: Params, rule: str, comment: str) -> str:
    """Draw the clean table, compute the rule's part (`main`), and mix in the plain part."""
    (first, weight), (second, other) = params["plain"].items()
    plain = f"{weight} * centred({first!r}) {signed(other)} * centred({second!r})"
    share = params["share"]
    return f"""
RANGES = {literal(dict(params["ranges"]))}
clean = pd.DataFrame(
    {{name: rng.uniform(low, high, ROWS).round(digits) for name, (low, high, digits) in RANGES.items()}}
)


def centred(name):
    low, high, _ = RANGES[name]
    return (clean[name].to_numpy() - (low + high) / 2) / ((high - low) / 2)


def standard(values):
    return (values - values.mean()) / values.std()


# {comment}
{rule.strip()}
plain = {plain}
signal = np.sqrt({1 - share:.2f}) * standard(main) + np.sqrt({share:.2f}) * standard(plain)
"""


def centred_lines(params: Params) -> str:
    """Lines of a solution that define `u(name)`: a column brought to [-1, 1], gaps at its middle."""
    return f"""
RANGES = {literal({name: bounds[:2] for name, bounds in params["ranges"].items()})}


def u(name):
    low, high = RANGES[name]
    middle, half = (low + high) / 2, (high - low) / 2
    return ((both[name].fillna(middle) - middle) / half).clip(-1.2, 1.2).to_numpy()


"""


def plain_columns(params: Params) -> list[str]:
    """The plain part's columns as entries of a list."""
    return [f"u({name!r})" for name in params["plain"]]


def stacked(params: Params, entries: list[str]) -> str:
    """A solution's lines: the entries and the plain part, side by side."""
    lines = "".join(f"    {entry},\n" for entry in [*entries, *plain_columns(params)])
    return f"{centred_lines(params)}X = np.column_stack([\n{lines}])\n"
