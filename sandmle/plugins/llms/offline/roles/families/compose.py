"""Two rules in one task: a table beside another, or beside texts or pictures. Any two that fit can be put together."""

from dataclasses import replace
from random import Random
from typing import Any, Final

from sandmle.plugins.llms.offline.roles.families.family import Ask, Family, Level, Params, literal

AND: Final = "-and-"
SHARED: Final = ("classification", "regression")
_SECOND_SHARE: Final = (0.35, 0.5)
"""Part of the signal's variance that the second rule has."""


def composed(first: Family, second: Family) -> Family:
    """The family in which both rules act, each on columns of its own.

    Args:
        first: of tables, texts or pictures.
        second: of tables; it gives a signal.
    """
    return Family(
        name=f"{first.name}{AND}{second.name}",
        modality="tabular" if first.modality == "tabular" else "multimodal",
        task_types=SHARED,
        sentence=f"Two rules act together. First: {first.sentence} Second: {second.sentence}",
        draw=lambda rng, ask: _draw(first, second, rng, ask),
        script=lambda params: _script(first, second, params),
        features=lambda params, level: _features(first, second, params, level),
        unusable_noise=(*first.unusable_noise, *second.unusable_noise),
        parts=tuple(dict.fromkeys((*first.material, *second.material))),
    )


def fits(first: Family, second: Family) -> bool:
    """Whether the two can be put together."""
    several = {"multilabel", "forecasting", "reconstruction"}
    return (
        second.modality == "tabular"
        and second.ordered
        and first.modality in ("tabular", "text", "image")
        and (first.modality != "tabular" or first.ordered)
        and first.name != second.name
        and not several & {*first.task_types, *second.task_types}
    )


def _draw(first: Family, second: Family, rng: Random, ask: Ask) -> dict[str, Any]:
    kinds = 0 if first.ordered else max(3, ask.classes)
    fewer = replace(ask, numbers=5)
    one = first.draw(rng, replace(fewer, classes=kinds))
    other = second.draw(rng, _elsewhere(fewer) if first.modality == "tabular" else fewer)
    share = round(rng.uniform(*_SECOND_SHARE), 2)
    count = len(one.get("topics", one.get("endings", one.get("glyphs", ()))))
    levels = [round(-1 + 2 * at / max(1, count - 1), 2) for at in range(count)]
    rng.shuffle(levels)
    merged: dict[str, Any] = {
        "columns": [*one.pop("columns", ()), *other.pop("columns")],
        "ranges": {**one.get("ranges", {}), **other["ranges"]},
        "main": [*one.get("main", ()), *other["main"]],
        "plain": {**one.get("plain", {}), **other["plain"]},
        "first_rule": one,
        "second_rule": other,
        "share": share,
        "levels": levels,
    }
    return merged | ({"size": one["size"]} if "size" in one else {})


def _elsewhere(ask: Ask) -> Ask:
    """The same domain's columns, taken at a second place under names of their own."""
    domain = ask.domain

    def moved(name: str, meaning: str) -> tuple[str, str]:
        return f"{name}_second", f"{meaning} (second place)"

    def all_moved(some: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(replace(one, name=f"{one.name}_second", meaning=f"{one.meaning} (second place)") for one in some)

    return replace(
        ask,
        domain=replace(
            domain,
            measures=all_moved(domain.measures),
            angles=all_moved(domain.angles),
            code=moved(*domain.code),
            date=moved(*domain.date),
        ),
    )


def _script(first: Family, second: Family, params: Params) -> str:
    share = params["share"]
    table = first.modality == "tabular"
    keep = "first_clean, first_ranges = clean, RANGES\n" if table else ""
    levels = "" if first.ordered else f"signal = np.array({literal(params['levels'])})[kind]\n"
    join = "clean = pd.concat([first_clean, clean], axis=1)\nRANGES = {**first_ranges, **RANGES}\n" if table else ""
    return f"""
# The first of two rules.
{first.script(params["first_rule"]).strip()}
{levels}first_signal = signal
{keep}
# The second rule, on columns of its own.
{second.script(params["second_rule"]).strip()}
{join}signal = np.sqrt({1 - share:.2f}) * standard(first_signal) + np.sqrt({share:.2f}) * standard(signal)
"""


def _features(first: Family, second: Family, params: Params, level: Level) -> str:
    one = first.features(params["first_rule"], level).strip()
    # Half of what there is to know is one rule in full and the other in part.
    other = second.features(params["second_rule"], level).strip()
    return f"{one}\nfirst_X = X\n{other}\nX = np.column_stack([first_X, X])\n"
