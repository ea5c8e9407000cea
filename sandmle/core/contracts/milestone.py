"""A named part of a reward."""

from typing import Protocol, runtime_checkable

from sandmle.core.types.episode import Episode


@runtime_checkable
class Milestone(Protocol):
    """Judges one thing about a finished episode. Pure: the same episode gives the same value."""

    @property
    def name(self) -> str: ...

    def value(self, episode: Episode) -> float | None:
        """How far the episode reached it, in [0, 1]; None when that cannot be known."""
        ...
