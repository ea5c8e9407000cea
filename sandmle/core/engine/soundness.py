"""Soundness of what passes between a scaffold and its episode: can it be served, and can it be written down? Pure.

A request that cannot be served is the scaffold's failure and nobody else's.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from sandmle.core.types.message import Message, ModelReply, Reasoning, ToolCall
from sandmle.core.types.trajectory import Action, ActionKind

ROLES: Final = ("system", "user", "assistant", "tool")


def check_messages(messages: Iterable[object]) -> None:
    """See that these can be sent to a model.

    Raises:
        TypeError: one is no `Message`, or its content or role is none.
    """
    for message in messages:
        if not isinstance(message, Message):
            raise TypeError(f"ask() takes a sequence of Message, and one of them is {_shown(message)}")
        if not isinstance(message.content, str):
            raise TypeError(f"the content of a message is text, not {_shown(message.content)}")
        if message.role not in ROLES:
            raise TypeError(f"the role of a message is one of {', '.join(ROLES)}, not {_shown(message.role)}")


def check_action(action: object) -> None:
    """See that this can be executed.

    Raises:
        TypeError: it is no `Action`, its kind is none, or its code or problem is no text.
    """
    if not isinstance(action, Action):
        raise TypeError(f"act() takes an Action, not {_shown(action)}")
    if not isinstance(action.kind, ActionKind):
        raise TypeError(f"the kind of an action is an ActionKind, not {_shown(action.kind)}")
    if not isinstance(action.code, str) or not isinstance(action.problem, str):
        raise TypeError("the code and the problem of an action are text")


def readable(reply: ModelReply) -> ModelReply:
    """The reply without halves of surrogate pairs, which a provider's JSON can hold and no file can take."""
    calls = tuple(
        ToolCall(call_id=_sound(one.call_id), name=_sound(one.name), arguments=_sound(one.arguments))
        for one in reply.tool_calls
    )
    text, thought = _sound(reply.text), reply.reasoning
    if thought is not None:
        thought = Reasoning(text=_sound(thought.text), signed=_sound(thought.signed))
    if (text, calls, thought) == (reply.text, reply.tool_calls, reply.reasoning):
        return reply
    return replace(reply, text=text, tool_calls=calls, reasoning=thought)


def readable_messages(messages: Iterable[Message]) -> tuple[Message, ...]:
    """The messages without such halves: a scaffold that quotes what stood in JSON may have them from there."""
    return tuple(
        one if (content := _sound(one.content)) is one.content else replace(one, content=content) for one in messages
    )


def readable_action(action: Action) -> Action:
    """The action without such halves."""
    code, problem = _sound(action.code), _sound(action.problem)
    return action if code is action.code and problem is action.problem else replace(action, code=code, problem=problem)


def _sound(text: str) -> str:
    """The same text, itself where nothing is wrong with it."""
    if text.isascii():
        return text
    sound = text.encode("utf-8", "replace").decode("utf-8")
    return text if sound == text else sound


def _shown(thing: object) -> str:
    return f"a {type(thing).__name__}" if thing is not None else "None"
