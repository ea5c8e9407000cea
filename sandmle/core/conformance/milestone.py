"""The checks that every `Milestone` has to pass. Shipped to plugin authors."""

import math
from collections.abc import Sequence

from sandmle.core.conformance.episodes import sample_episodes
from sandmle.core.conformance.shape import check_shape
from sandmle.core.contracts.milestone import Milestone
from sandmle.core.errors import PluginError, boundary
from sandmle.core.types.episode import Episode


def check_milestone(milestone: Milestone, episodes: Sequence[Episode] = ()) -> None:
    """Have a milestone judge finished episodes of every sort, twice, the second time in the other order.

    Args:
        milestone: made once as for a run.
        episodes: more episodes to judge, beside those that are shipped.

    Raises:
        PluginError: it breaks a promise of the contract; the message says which.
    """
    what = f"milestone {getattr(milestone, 'name', '?')!r}"
    check_shape(milestone, Milestone, what)
    judged = [*sample_episodes(), *episodes]
    first = [_value(milestone, what, episode) for episode in judged]
    again = [_value(milestone, what, episode) for episode in reversed(judged)][::-1]
    for episode, one, other in zip(judged, first, again, strict=True):
        if one != other:
            raise PluginError(
                f"{what} is not pure: it gave {one!r} and then {other!r} for the same episode ({_shown(episode)}); "
                "it may depend on nothing but the episode"
            )


def _value(milestone: Milestone, what: str, episode: Episode) -> float | None:
    with boundary(PluginError, f"{what} failed on an episode ({_shown(episode)})"):
        value: object = milestone.value(episode)
    if value is None:
        return None
    if not isinstance(value, int | float) or math.isnan(value) or not 0 <= value <= 1:
        raise PluginError(
            f"{what} gave {value!r} for an episode ({_shown(episode)}); give a number in [0, 1], or None where it "
            "cannot be known"
        )
    return float(value)


def _shown(episode: Episode) -> str:
    grade = episode.grade
    submission = "no submission" if grade is None else grade.medal.value if grade.valid else "an invalid submission"
    medal = f"medal {submission}" if grade is not None and grade.valid else submission
    return f"{medal}, {len(episode.trajectory.steps)} steps, ended as {episode.stop_reason}"
