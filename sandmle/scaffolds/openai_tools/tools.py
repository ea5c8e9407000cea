"""The functions a model may call, and what a call of one comes to. Pure."""

import json
import re
from dataclasses import dataclass
from typing import Any, Final

from sandmle.core.errors import nearest
from sandmle.core.types.message import ToolCall, ToolSpec
from sandmle.core.types.trajectory import Action, ActionKind
from sandmle.scaffolds.common.speech import invalid, shown_name
from sandmle.scaffolds.common.thoughts import without_thought

RUN, SUBMIT, FINISH = "run_python", "submit", "finish"
EXPECTED: Final = (
    f"Expected calls of these functions: {RUN} with the argument code, a string of Python; {SUBMIT} without arguments "
    f"to have submission.csv looked at; {FINISH} without arguments to end."
)


def _tool(name: str, description: str, **properties: dict[str, str]) -> ToolSpec:
    parameters: dict[str, object] = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    return ToolSpec(name=name, description=description, parameters=parameters)


TOOLS: Final = (
    _tool(
        RUN,
        "Run Python in an interpreter that keeps its variables from call to call. Returns what it prints.",
        code={"type": "string", "description": "The Python code."},
    ),
    _tool(SUBMIT, "Have the submission.csv that stands in the working directory looked at."),
    _tool(FINISH, "End. The last valid submission counts."),
)

_OPENING: Final = re.compile(r"<tool_call>\s*(?:```(?:json)?\s*)?|<tool_response>")
MAX_TEXT_CALLS: Final = 64
"""Calls of one reply that are looked for in its text; far above what is executed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextCalls:
    """Calls found in a reply's text."""

    calls: tuple[ToolCall, ...]
    ignored: bool = False
    """Whether the reply went on after a tool response that it made up itself."""


def action_of(call: ToolCall, *, cut: bool = False) -> Action:
    """What a call asks for; an `invalid` action for a function or arguments that do not exist.

    Args:
        call: as the model wrote it.
        cut: whether the token limit ended the reply within this call.
    """
    if call.name not in (RUN, SUBMIT, FINISH):
        near = nearest(call.name[:60], [tool.name for tool in TOOLS])
        return invalid(f"there is no function {shown_name(call.name)}; {near}", EXPECTED)
    arguments = _arguments(call.arguments)
    if arguments is None:
        why = "were cut by the token limit" if cut else "are not one JSON object"
        return invalid(f"the arguments of {call.name} {why}", EXPECTED)
    # Arguments too many do no harm where there are none to be given: what is meant leaves no doubt.
    if call.name == SUBMIT:
        return Action(kind=ActionKind.SUBMIT)
    if call.name == FINISH:
        return Action(kind=ActionKind.FINISH)
    if set(arguments) != {"code"} or not isinstance(arguments["code"], str):
        return invalid(f"{RUN} takes exactly one argument, code, a string", EXPECTED)
    if not arguments["code"].strip():
        return invalid("the code is empty", EXPECTED)
    return Action(kind=ActionKind.RUN_CODE, code=arguments["code"])


def read_text_calls(text: str) -> TextCalls:
    """The calls that stand in a text, each as JSON between tags; what follows a made-up response is ignored."""
    text = without_thought(text)
    found: list[ToolCall] = []
    at = 0
    while len(found) < MAX_TEXT_CALLS and (opening := _OPENING.search(text, at)):
        if opening[0] == "<tool_response>":
            return TextCalls(calls=tuple(found), ignored=True)
        call, at = _read_text_call(text, opening.end(), len(found))
        found.append(call)
    return TextCalls(calls=tuple(found))


def _read_text_call(text: str, at: int, number: int) -> tuple[ToolCall, int]:
    """The call that begins at `at`, judged by JSON itself, so that tags inside its strings do no harm."""
    call_id = f"call_{number}"
    try:
        call, end = json.JSONDecoder(strict=False).raw_decode(text, at)
        if isinstance(call, dict) and isinstance(call.get("name"), str):
            arguments = json.dumps(call.get("arguments", {}))
            return ToolCall(call_id=call_id, name=call["name"], arguments=arguments), end
    # Nesting beyond the interpreter's depth is as unreadable as a missing brace.
    except (ValueError, RecursionError):
        # Nothing inside of a call that cannot be read is read as a call of its own.
        end = text.find("</tool_call>", at)
        end = end if end >= 0 else len(text)
    return ToolCall(call_id=call_id, name="", arguments=""), end


def _arguments(text: str) -> dict[str, Any] | None:
    if not text.strip():
        # Several servers write no arguments at all for a function that takes none.
        return {}
    try:
        arguments = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None
    return arguments if isinstance(arguments, dict) else None
