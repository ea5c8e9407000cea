"""Native tool calls on the wire: what litellm takes and gives, from and to our types. Pure."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sandmle.core.types.message import Message, ToolCall, ToolSpec

MAX_NAME: Final = 64
"""Characters of a function's name that OpenAI takes."""
_NOT_IN_NAMES: Final = re.compile(r"[^a-zA-Z0-9_-]")


def wire_messages(messages: Sequence[Message], *, with_reasoning: bool = False) -> list[dict[str, Any]]:
    """Messages as every provider takes them from litellm.

    What the model thought before its own turns stays here unless `with_reasoning` asks for it to be sent.

    What a model got wrong in an earlier call of its own is its mistake and was answered as such, but providers
    refuse a whole conversation that holds an impossible name or arguments that are no JSON. So these go back
    in a form that can be sent.
    """
    wired = [_wire(message) for message in messages]
    if with_reasoning:
        for message, wire in zip(messages, wired, strict=True):
            if message.reasoning is not None:
                wire["reasoning_content"] = message.reasoning.text
                if message.reasoning.signed:
                    wire["thinking_blocks"] = json.loads(message.reasoning.signed)
    return wired


def wire_tools(tools: Sequence[ToolSpec]) -> list[dict[str, Any]]:
    """Functions in the form of the OpenAI protocol, which litellm translates for the others."""
    return [
        {
            "type": "function",
            "function": {"name": one.name, "description": one.description, "parameters": one.parameters},
        }
        for one in tools
    ]


def read_calls(message: Any) -> tuple[ToolCall, ...]:
    """The native calls of a reply, each with an id of its own."""
    found: list[ToolCall] = []
    taken: set[str] = set()
    for at, call in enumerate(getattr(message, "tool_calls", None) or ()):
        function = getattr(call, "function", None)
        arguments = getattr(function, "arguments", None)
        call_id = str(getattr(call, "id", None) or f"call_{at}")
        while call_id in taken:
            call_id = f"{call_id}_{at}"
        taken.add(call_id)
        if not isinstance(arguments, str):
            arguments = json.dumps({} if arguments is None else arguments)
        found.append(ToolCall(call_id=call_id, name=str(getattr(function, "name", None) or ""), arguments=arguments))
    return tuple(found)


def from_wire(message: Mapping[str, Any]) -> Message:
    """A message in litellm's form as ours, for a model that litellm asks in this process."""
    calls = tuple(
        ToolCall(call_id=call["id"], name=call["function"]["name"], arguments=call["function"]["arguments"])
        for call in message.get("tool_calls") or ()
    )
    return Message(
        role=message["role"],
        content=message.get("content") or "",
        tool_calls=calls,
        tool_call_id=message.get("tool_call_id"),
    )


def wire_call(call: ToolCall) -> dict[str, Any]:
    """One call in litellm's form, whatever the model wrote."""
    name = _NOT_IN_NAMES.sub("_", call.name)[:MAX_NAME] or "unnamed"
    return {
        "id": call.call_id,
        "type": "function",
        "function": {"name": name, "arguments": _sendable(call.arguments)},
    }


def _wire(message: Message) -> dict[str, Any]:
    wire: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        # An empty text beside calls is refused by some; none at all is understood by all.
        wire["content"] = message.content or None
        wire["tool_calls"] = [wire_call(call) for call in message.tool_calls]
    if message.tool_call_id is not None:
        wire["tool_call_id"] = message.tool_call_id
    return wire


def _sendable(arguments: str) -> str:
    try:
        readable = isinstance(json.loads(arguments), dict)
    except (ValueError, RecursionError):
        readable = False
    return arguments if readable else json.dumps({"unreadable": arguments})
