"""A rule family that a prompt brings, drawn already: a plugin's. The player knows nothing of it but what it reads."""

from collections.abc import Mapping
from dataclasses import replace
from random import Random
from typing import Any, Final

from sandmle.plugins.llms.offline.roles.domains import ClassTarget, Domain, ValueTarget
from sandmle.plugins.llms.offline.roles.families.family import Ask, Family, Level, Params

GIVEN: Final = "given"
"""Where the lines stand among a rule's parameters."""
_LINES: Final = ("script", "full", "partial")
_OF_KNOWN_RANGES: Final = (
    "missing-values",
    "look-alike-columns",
    "unit-errors",
    "lost-when-high",
    "shifted-sample",
    "idle-estimate",
    "limited-range",
)
"""Noise that has to know the ranges of columns, which a prompt does not tell."""


def given_family(name: str, lines: Mapping[str, Any], told: Mapping[str, Any] | None = None) -> Family:
    """The family of this name.

    Args:
        name: as the plan calls it.
        lines: of the generator and of solutions, under `script`, `full` and `partial`.
        told: the whole entry of the prompt, where a rule is still to be planned.

    Raises:
        KeyError: some lines are missing.
    """
    kept = {key: f"\n{str(lines[key]).strip()}\n" for key in _LINES}

    def draw(rng: Random, ask: Ask) -> dict[str, Any]:
        return {"columns": [list(one) for one in (told or {})["columns"]], GIVEN: kept}

    def features(params: Params, level: Level) -> str:
        return kept["partial" if level == "partial" else "full"]

    return Family(
        name=name,
        modality="tabular",
        task_types=("classification", "regression"),
        sentence=str((told or {}).get("sentence", "")),
        draw=draw,
        script=lambda params: kept["script"],
        features=features,
        unusable_noise=_OF_KNOWN_RANGES,
    )


def domain_of(told: Mapping[str, Any], other: Domain) -> Domain:
    """The domain that an entry of the prompt tells of, with another's words for what it does not tell."""
    name, meaning = told["target"]
    title, classes = str(told["title"]), tuple(str(one) for one in told["classes"])
    middle, spread = told["value"]
    value = ValueTarget(name=name, meaning=meaning, title=title, middle=float(middle), spread=float(spread))
    several = ClassTarget(name=name, meaning=meaning, title=title, classes=classes)
    return replace(
        other,
        name=str(told["domain"]),
        row=str(told["row"]),
        purpose=str(told["purpose"]),
        values=(value,),
        binary=replace(several, classes=classes[:2]),
        several=several,
    )
