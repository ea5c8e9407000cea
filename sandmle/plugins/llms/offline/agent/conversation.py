"""Reads the conversation the agent is sent: the task, what it has done so far, and what came of it. Pure."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from sandmle.core.types.message import Message

_STAGE = re.compile(r"^# stage: (\w+)", re.MULTILINE)
_FAILED = re.compile(
    r"Traceback \(most recent call last\)|\b\w*(?:Error|Exception)\b:|timed out|time limit|out of memory", re.IGNORECASE
)
_REFUSED = re.compile(r"\bnot valid\b|\binvalid\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One earlier reply of the agent and what it was told."""

    stage: str
    """`look`, `model` or `repair` (as the code's own comment says), `score`, or `other`."""
    code: str
    response: str

    @property
    def failed(self) -> bool:
        """Whether code raised or was ended, as the response shows."""
        return bool(_FAILED.search(self.response)) or "WROTE submission.csv" not in self.response

    @property
    def refused(self) -> bool:
        """Whether a submission was turned down."""
        return bool(_REFUSED.search(self.response))


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """What the agent knows: nothing but what it was sent."""

    task: str
    """Everything said before the agent's first reply."""
    turns: tuple[Turn, ...]

    def last(self, *stages: str) -> Turn | None:
        """The latest turn of one of these stages."""
        return next((turn for turn in reversed(self.turns) if turn.stage in stages), None)

    def count(self, *stages: str) -> int:
        return sum(turn.stage in stages for turn in self.turns)


def conversation_of(messages: Sequence[Message], turn_of: Callable[[Message, Sequence[Message]], Turn]) -> Conversation:
    """Split a conversation into the task and the turns.

    Args:
        messages: all that was said.
        turn_of: reads a reply of the agent and what followed it up to the next.
    """
    spoken = [at for at, message in enumerate(messages) if message.role == "assistant"]
    first = spoken[0] if spoken else len(messages)
    turns = [turn_of(messages[at], messages[at + 1 : after]) for at, after in pairwise([*spoken, len(messages)])]
    return Conversation(task="\n".join(message.content for message in messages[:first]), turns=tuple(turns))


def stage_of(code: str, *, scores: bool) -> str:
    """The stage that a reply was: as its code's own comment says, else whether it had a submission looked at."""
    named = _STAGE.search(code)
    return named[1] if named else "score" if scores else "other"
