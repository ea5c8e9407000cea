"""A milestone that pays for little running time."""

from sandmle import Episode


class Lean:
    """1 for an episode whose cells took no time, falling linearly to 0 at `seconds`."""

    name = "lean"

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def value(self, episode: Episode) -> float | None:
        """The same record gives the same value: the times stand in it."""
        used = sum(step.wall_s for step in episode.trajectory.steps if step.observation.cell is not None)
        return max(0.0, 1.0 - used / self._seconds)
