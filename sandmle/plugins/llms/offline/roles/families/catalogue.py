"""All rule families in one tuple."""

from typing import Final

from sandmle.plugins.llms.offline.roles.families.family import Family
from sandmle.plugins.llms.offline.roles.families.image import IMAGE
from sandmle.plugins.llms.offline.roles.families.mixed import MIXED
from sandmle.plugins.llms.offline.roles.families.numeric import NUMERIC
from sandmle.plugins.llms.offline.roles.families.openings import OPENINGS
from sandmle.plugins.llms.offline.roles.families.patterns import PATTERNS
from sandmle.plugins.llms.offline.roles.families.remarks import REMARKS
from sandmle.plugins.llms.offline.roles.families.shapes import SHAPES
from sandmle.plugins.llms.offline.roles.families.text import TEXT

FAMILIES: Final[tuple[Family, ...]] = (
    *NUMERIC,
    *SHAPES,
    *MIXED,
    *TEXT,
    *OPENINGS,
    *REMARKS,
    *IMAGE,
    *PATTERNS,
)
"""Every rule family."""


def family_named(name: str) -> Family | None:
    """The rule family of this name."""
    return next((family for family in FAMILIES if family.name == name), None)
