"""Asks the policy for a program or a review, again when a reply cannot be read. Each reply is a segment of its own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sandmle.core.contracts.scaffold import EpisodeContext
from sandmle.core.types.message import Message, ModelReply
from sandmle.core.types.trajectory import Action, ActionKind
from sandmle.scaffolds.common.thoughts import without_thought
from sandmle.scaffolds.common.tree.reading import (
    Program,
    Review,
    Unreadable,
    is_bare_program,
    read_program,
    read_review,
)
from sandmle.scaffolds.common.tree.wording import shortened

T = TypeVar("T", Program, Review)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What came of asking for a program."""

    program: Program
    problem: str
    """Why there is nothing to run, when there is not; the program's code is then what the policy said last."""
    turns: int
    """Replies it took."""


async def ask_for_program(
    episode: EpisodeContext, messages: Sequence[Message], *, tries: int, needs_plan: bool
) -> Asked:
    """A plan and a program. After `tries` unreadable replies the last one is taken as it stands, if it is Python."""

    def read(reply: ModelReply) -> Program | Unreadable:
        return read_program(reply.text, needs_plan=needs_plan, cut=reply.finish_reason == "length")

    found, replies = await _ask(episode, messages, tries, read, "a plan and one Python code block")
    if isinstance(found, Program):
        return Asked(program=found, problem="", turns=len(replies))
    text = without_thought(replies[-1].text).strip()
    if is_bare_program(text):
        return Asked(program=Program(plan="", code=text), problem="", turns=len(replies))
    return Asked(program=Program(plan="", code=shortened(text)), problem=found.problem, turns=len(replies))


async def ask_for_review(
    episode: EpisodeContext, messages: Sequence[Message], *, tries: int
) -> tuple[Review | Unreadable, int]:
    """What the policy makes of an output, and the replies it took."""
    found, replies = await _ask(episode, messages, tries, lambda reply: read_review(reply.text), "one JSON object")
    return found, len(replies)


async def _ask(
    episode: EpisodeContext,
    messages: Sequence[Message],
    tries: int,
    read: Callable[[ModelReply], T | Unreadable],
    expected: str,
) -> tuple[T | Unreadable, list[ModelReply]]:
    replies: list[ModelReply] = []
    while True:
        replies.append(await episode.ask(messages))
        found = read(replies[-1])
        if not isinstance(found, Unreadable):
            return found, replies
        problem = f"Nothing was done: {found.problem}. Expected {expected}."
        await episode.act(Action(kind=ActionKind.INVALID, problem=problem))
        if len(replies) == tries:
            return found, replies
