"""What the policy wrote, on its way from the executor's record to the mask audit of the controller. Pure.

It travels beside the sequences that are trained and is made of the replies: neither derives from the other.
"""

from collections.abc import Mapping
from typing import Any, TypedDict

from sandmle.core.types.episode import Episode
from sandmle.plugins.trainers.canaries.masks import Turn, Written, written_in


class TurnDict(TypedDict):
    """One reply of the policy, by its record."""

    ids: list[int]
    text: str


def replies_of(episode: Episode) -> list[list[TurnDict]]:
    """The replies of each segment in which the policy wrote."""
    return [[TurnDict(ids=list(turn.ids), text=turn.text) for turn in one.turns] for one in written_in(episode)]


def written_by(response: Mapping[str, Any], where: str) -> list[Written]:
    """The same, as the audit takes it.

    Args:
        response: of an executor.
        where: how its episode is called in a message.
    """
    return [
        Written(
            where=f"{where}, segment {number}",
            turns=tuple(Turn(ids=tuple(one["ids"]), text=one["text"]) for one in turns),
        )
        for number, turns in enumerate(response["written"])
    ]
