"""How hard a draft is to be: what a seed's DNA wishes under `difficulty`, and what that changes."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Difficulty:
    """What makes a task harder: fewer rows, more noise, less that is plain, two rules at once."""

    train_rows: tuple[int, int] = (100, 201)
    noises: tuple[int, ...] = (1, 2)
    """Noise families beside the target's own, to be drawn from."""
    target_noise: float = 1.0
    """Factor on the noise of the target."""
    plain_share: float = 0.25
    """Part of a table's signal that any linear model finds."""
    two_rules: float = 0.2
    """Probability of a second rule where one would do."""

    def apply(self, params: dict[str, Any], noise: dict[str, dict[str, Any]]) -> None:
        """Change what was drawn for the rule and its noise."""
        for part in (params, params.get("first_rule", {}), params.get("second_rule", {})):
            if "plain" in part and "share" in part and "first_rule" not in part:
                part["share"] = self.plain_share
        for name in ("label-flips", "target-error", "grade-errors", "label-slips", "target-grain"):
            for key in ("share", "sd"):
                if key in noise.get(name, {}):
                    noise[name][key] = round(noise[name][key] * self.target_noise, 3)


DIFFICULTIES: Final[Mapping[str, Difficulty]] = MappingProxyType(
    {
        "easy": Difficulty(train_rows=(150, 201), noises=(0, 1), target_noise=0.7, plain_share=0.35, two_rules=0.0),
        "medium": Difficulty(),
        "hard": Difficulty(train_rows=(60, 121), noises=(2, 3), target_noise=1.3, plain_share=0.18, two_rules=0.5),
    }
)


def difficulty_of(dna: Mapping[str, Any]) -> Difficulty | None:
    """What the DNA wishes; None where it wishes nothing, or something unknown."""
    return DIFFICULTIES.get(str(dna.get("difficulty"))) if "difficulty" in dna else None
