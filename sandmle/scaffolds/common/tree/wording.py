"""Pieces of prompts that the tree searches share. Pure."""

import random
import re
from typing import Final

from sandmle.scaffolds.common.truncation import head_and_tail

PACKAGES: Final = ("numpy", "pandas", "scikit-learn", "scipy", "pillow")
"""What a program can import in the default sandboxes, beyond the standard library."""
SAID_CHARS: Final = 2000
"""Characters of a plan or an analysis that later prompts repeat; a few sentences are asked for."""
SEPARATOR: Final = "\n---\n"
_TICKS: Final = re.compile(r"`{3,}")


def fenced(text: str, language: str = "") -> str:
    """Text in a fence that nothing inside of it can close."""
    longest = max((len(ticks) for ticks in _TICKS.findall(text)), default=2)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def shortened(text: str) -> str:
    """What the policy once said, as later prompts repeat it."""
    return head_and_tail(text.strip(), SAID_CHARS)


def packages(rng: random.Random) -> str:
    """The packages in an order of chance, so that none is always named first."""
    names = list(PACKAGES)
    rng.shuffle(names)
    return ", ".join(names)
