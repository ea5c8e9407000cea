"""What is measured of one episode, a number each, and how such numbers lie by rule family and task."""

import math
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final

from sandmle.core.types.episode import Episode, Outcome
from sandmle.core.types.score import Medal

Measure = Callable[[Episode], float | None]
"""None where an episode has no part in it."""


def human_rank(episode: Episode) -> float:
    """HumanRank of an episode; 0 without a valid submission, as in MLE-Dojo."""
    rank = episode.grade.human_rank if episode.grade is not None and episode.grade.valid else None
    return 0.0 if rank is None else rank


def reward_of(episode: Episode) -> float | None:
    """Its whole reward; None when none was computed."""
    return None if episode.reward is None else episode.reward.total


def tree(episodes: Iterable[Episode], measure: str, families: Mapping[str, str]) -> dict[str, dict[str, list[float]]]:
    """One of `MEASURES` by family and task, episodes in slot order; a task of no known family is one of its own.

    What the infrastructure failed is left out, and so is what is no finite number.
    """
    value = MEASURES[measure]
    found: dict[str, dict[str, list[float]]] = {}
    for one in sorted(episodes, key=lambda one: (one.task_id, one.slot)):
        number = None if one.outcome is Outcome.INFRASTRUCTURE else value(one)
        if number is not None and math.isfinite(number):
            family = families.get(one.task_id, f"unknown, of {one.task_id}")
            found.setdefault(family, {}).setdefault(one.task_id, []).append(number)
    return found


def _awarded(holds: Callable[[Episode], bool]) -> Measure:
    """A share over the tasks that award medals: those without thresholds (NaN) have no part in it."""
    return lambda episode: None if math.isnan(episode.thresholds.bronze) else float(holds(episode))


def _medal(episode: Episode) -> Medal:
    return episode.grade.medal if episode.grade is not None and episode.grade.valid else Medal.NONE


MEASURES: Final[Mapping[str, Measure]] = MappingProxyType(
    {
        "valid": lambda episode: float(episode.grade is not None and episode.grade.valid),
        "any_medal": _awarded(lambda episode: _medal(episode) is not Medal.NONE),
        "gold": _awarded(lambda episode: _medal(episode) is Medal.GOLD),
        "silver": _awarded(lambda episode: _medal(episode) is Medal.SILVER),
        "bronze": _awarded(lambda episode: _medal(episode) is Medal.BRONZE),
        "above_median": _awarded(lambda episode: episode.grade is not None and episode.grade.above_median),
        "human_rank": human_rank,
        "reward": reward_of,
    }
)
"""By the names that `AgentSummary` has for them."""
