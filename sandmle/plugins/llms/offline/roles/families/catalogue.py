"""All rule families: those there were at first, those that came later, and pairs of them by their names."""

from dataclasses import replace
from typing import Final

from sandmle.plugins.llms.offline.roles.families.compose import AND, composed, fits
from sandmle.plugins.llms.offline.roles.families.family import Family, Params
from sandmle.plugins.llms.offline.roles.families.given import GIVEN, given_family
from sandmle.plugins.llms.offline.roles.families.graph import GRAPH
from sandmle.plugins.llms.offline.roles.families.histories import HISTORIES
from sandmle.plugins.llms.offline.roles.families.image import IMAGE
from sandmle.plugins.llms.offline.roles.families.lost import LOST
from sandmle.plugins.llms.offline.roles.families.marks import MARKS
from sandmle.plugins.llms.offline.roles.families.mixed import MIXED
from sandmle.plugins.llms.offline.roles.families.numeric import NUMERIC
from sandmle.plugins.llms.offline.roles.families.openings import OPENINGS
from sandmle.plugins.llms.offline.roles.families.patterns import PATTERNS
from sandmle.plugins.llms.offline.roles.families.remarks import REMARKS
from sandmle.plugins.llms.offline.roles.families.restore import RESTORES
from sandmle.plugins.llms.offline.roles.families.rings import RINGS
from sandmle.plugins.llms.offline.roles.families.series import SERIES
from sandmle.plugins.llms.offline.roles.families.shapes import SHAPES
from sandmle.plugins.llms.offline.roles.families.sound import SOUND
from sandmle.plugins.llms.offline.roles.families.standouts import STANDOUTS
from sandmle.plugins.llms.offline.roles.families.text import TEXT

FIRST: Final[tuple[Family, ...]] = (
    *NUMERIC,
    *SHAPES,
    *MIXED,
    *TEXT,
    *OPENINGS,
    *REMARKS,
    *IMAGE,
    *PATTERNS,
)
"""The families that seeds without a difficulty are given: the same seed keeps giving the same task."""
_FORECASTS: Final = (*HISTORIES, *STANDOUTS)
_FILED: Final = tuple(
    replace(family, name=f"filed-{family.name}", modality="series", parts=("series", "history"))
    for family in _FORECASTS
)
"""The same where a history is a file."""
FAMILIES: Final[tuple[Family, ...]] = (
    *FIRST,
    *MARKS,
    *RESTORES,
    *GRAPH,
    *SOUND,
    *SERIES,
    *_FORECASTS,
    *_FILED,
    *RINGS,
    *LOST,
)
"""Every rule family that stands alone."""


def family_of(name: str, params: Params) -> Family | None:
    """The rule family of a plan: one of ours, or the one whose lines stand in its parameters.

    Raises:
        KeyError: it has parameters of a given one, and some of the lines are missing.
    """
    return given_family(name, params[GIVEN]) if GIVEN in params else family_named(name)


def family_named(name: str) -> Family | None:
    """The rule family of this name; of a name like `ring-distance-and-code-parts`, the two of them together."""
    for family in FAMILIES:
        if family.name == name:
            return family
    one, joined, other = name.partition(AND)
    first, second = (next((family for family in FAMILIES if family.name == part), None) for part in (one, other))
    return composed(first, second) if joined and first and second and fits(first, second) else None


def pairs(modality: str) -> tuple[tuple[Family, Family], ...]:
    """Every two families that can be put together to a task of this modality."""
    wanted = ("tabular",) if modality == "tabular" else ("text", "image") if modality == "multimodal" else ()
    return tuple(
        (first, second) for first in FAMILIES if first.modality in wanted for second in FAMILIES if fits(first, second)
    )
