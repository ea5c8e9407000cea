"""What the agent wants to say next, before it is put into the words of a protocol."""

from dataclasses import dataclass
from enum import StrEnum


class Wish(StrEnum):
    """What the agent wants to happen."""

    RUN = "run"
    SCORE = "score"
    FINISH = "finish"
    ASK = "ask"
    """Be told of the task; only one protocol keeps it from the agent until it asks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """One reply to be."""

    wish: Wish
    thought: str
    code: str = ""
    submits: bool = False
    """Whether the code is to leave a submission; one protocol runs such code by another word."""
