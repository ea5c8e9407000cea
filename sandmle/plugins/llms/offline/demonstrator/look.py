"""The one look at the files: a cell that prints short lines of facts and of honest quick probes. Pure.

It cross-validates ridge regression on every representation the files allow, and five kinds of model on the best of
them, on training rows alone. It tells neither the metric nor what kind of prediction is wanted: that stands in the
description. Where a choice is named, a line is one bare word, so that a reader can copy it, and the line before
it is the word for its rank.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

from sandmle.plugins.llms.offline.demonstrator.programs import FEATURES, HEAD, MODELS

FEATURE_RANKS: Final = ("best", "second", "third", "fourth")
MODEL_RANKS: Final = ("leader", "follower", "runner-up")
"""The line before each choice that a look lists. A plan begins a choice with the same line: what it takes is then said
in a word that is the same on every task."""
UNLISTED: Final = "unlisted"
"""The line of a plan before a choice that the look did not list."""
DRAWS: Final = 10
"""How many orders of the rows a look can be taken in."""


def look_code(draw: int) -> str:
    """The cell: `HEAD` as in every program, `draw`, then the lines of `look.txt`, the same text on every task.

    Args:
        draw: the order of the rows, and so the folds, from 0 to `DRAWS` - 1. Two looks at one task seldom agree on
            everything, so that whoever learns from them learns to read a look and not what one task's look said.
    """
    return f"{HEAD}draw = {draw}\n" + files("sandmle.plugins.llms.offline.demonstrator").joinpath("look.txt").read_text(
        "utf-8"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a look said."""

    features: tuple[str, ...]
    """Representations the files allow, the most promising first."""
    models: tuple[str, ...]
    """Model kinds, best first on the most promising representation."""
    gaps: bool
    values: bool
    """Whether the target holds numbers and no classes."""


def ranked(name: str, listed: Sequence[str], ranks: Sequence[str]) -> tuple[str, str]:
    """The two lines of a plan for one choice: the rank at which the look lists it, and the choice."""
    return dict(zip(listed, ranks, strict=False)).get(name, UNLISTED), name


def read_look(observation: str) -> Seen | None:
    """What the look printed; None when it did not come to its end."""
    lines = [line.strip() for line in observation.splitlines()]
    features = tuple(line for line in lines if line in FEATURES)
    models: Sequence[str] = lines[lines.index("models:") + 1 :] if "models:" in lines else ()
    ranked = tuple(line for line in models if line in MODELS)
    if not features or not ranked:
        return None
    return Seen(
        features=features,
        models=ranked,
        gaps="gaps: some" in lines,
        values="target: values" in lines,
    )
