"""A milestone that pays for few model calls."""

from sandmle import Episode, Outcome

FREE_TURNS = 1
LAST_PAID_TURN = 10


class Frugal:
    """1 for an episode of one turn, falling linearly to 0 at ten turns."""

    name = "frugal"

    def value(self, episode: Episode) -> float | None:
        """None where no agent acted, which is not the same as 0."""
        if episode.outcome is Outcome.INFRASTRUCTURE:
            return None
        turns = len(episode.trajectory.replies())
        return min(1.0, max(0.0, (LAST_PAID_TURN - turns) / (LAST_PAID_TURN - FREE_TURNS)))
