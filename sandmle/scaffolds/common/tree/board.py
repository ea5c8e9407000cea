"""Reads what the environment tells about a submission: whether it is valid, and what the public board shows. Pure."""

import re
from dataclasses import dataclass
from typing import Final

_PUBLIC: Final = re.compile(r"^Score on the public board: (\S+) \(", re.MULTILINE)
VALID: Final = "The submission is valid."


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What may be known of a submission."""

    valid: bool
    verdict: str
    """One line, without any score."""
    public: float | None
    """The public board's score, where it was shown."""


def read_verdict(text: str) -> Told:
    """Read the observation of a `submit`. A private score that stands in it is passed over."""
    first = text.strip().splitlines()[0] if text.strip() else ""
    valid = first.startswith(VALID)
    shown = _PUBLIC.search(text) if valid else None
    try:
        public = float(shown[1]) if shown else None
    except ValueError:
        public = None
    return Told(valid=valid, verdict=VALID if valid else first, public=public)
