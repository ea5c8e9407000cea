"""The names of the offline models and who plays them."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from sandmle.core.types.message import Message, ModelReply
from sandmle.plugins.llms.offline.agent.player import Strength
from sandmle.plugins.llms.offline.agent.player import play as play_agent
from sandmle.plugins.llms.offline.agent.tree.player import play_tree
from sandmle.plugins.llms.offline.demonstrator.player import Style
from sandmle.plugins.llms.offline.demonstrator.protocols import play_in_protocol
from sandmle.plugins.llms.offline.roles.player import play as play_roles

Player = Callable[[Sequence[Message], int], str | ModelReply]
"""A pure function of the conversation and the sample index: swapping two prompts swaps the answers."""


def _agent(strength: Strength) -> Player:
    return lambda messages, sample_index: (
        play_tree(messages, strength, sample_index) or play_agent(messages, strength, sample_index)
    )


def _demonstrator(style: Style) -> Player:
    return lambda messages, sample_index: play_in_protocol(messages, style, sample_index)


PLAYERS: Final[Mapping[str, Player]] = MappingProxyType(
    {
        "roles": lambda messages, sample_index: play_roles(messages),
        "agent-weak": _agent(Strength.WEAK),
        "agent": _agent(Strength.MIDDLE),
        "agent-strong": _agent(Strength.STRONG),
        "demonstrator": _demonstrator(Style.DEMONSTRATED),
        "demonstrator-conditional": _demonstrator(Style.CAREFUL),
        "random-program": _demonstrator(Style.UNIFORM),
        "random-running-program": _demonstrator(Style.RUNNING),
    }
)
"""Model name after `offline/` to its player."""
