"""Reads the conversation the agent is sent: the task, what it has done so far, and what came of it. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sandmle.core.types.message import Message

_CODE = re.compile(r"<code>\n?(.*?)</code>", re.DOTALL)
_STAGE = re.compile(r"^# stage: (\w+)", re.MULTILINE)
_RESPONSE = re.compile(r"<tool_response>\n?(.*?)\n?</tool_response>", re.DOTALL)
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


def read_conversation(messages: Sequence[Message]) -> Conversation:
    """Split a conversation into the task and the turns."""
    first = next((at for at, message in enumerate(messages) if message.role == "assistant"), len(messages))
    turns: list[Turn] = []
    for at in range(first, len(messages)):
        if messages[at].role != "assistant":
            continue
        following = messages[at + 1].content if at + 1 < len(messages) else ""
        response = "\n".join(_RESPONSE.findall(following)) or following
        turns.append(_turn(messages[at].content, response))
    return Conversation(task="\n".join(message.content for message in messages[:first]), turns=tuple(turns))


def _turn(reply: str, response: str) -> Turn:
    code = "\n".join(_CODE.findall(reply))
    named = _STAGE.search(code)
    if named:
        return Turn(stage=named[1], code=code, response=response)
    return Turn(stage="score" if '"Score"' in reply else "other", code=code, response=response)
