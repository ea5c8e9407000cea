"""Reads a reply of the tag protocol: which tools it calls, and whether it answers. Pure.

The protocol is that of the released SandMLE code. Lenient where a slip leaves no doubt about what was
meant: closing tags may be missing, a code block may be fenced or stand outside of a tool call, and what
follows a tool response that the model made up is ignored. Tags inside a think block mean nothing.
"""

import json
import re
from dataclasses import dataclass

from sandmle.core.errors import nearest
from sandmle.core.types.trajectory import Action, ActionKind
from sandmle.scaffolds.common.fences import without_fence
from sandmle.scaffolds.common.speech import shown_name
from sandmle.scaffolds.common.thoughts import without_thought

SCORE_TOOL = "Score"
PYTHON_TOOL = "python"
EXPECTED = (
    "Expected either a tool call or an answer.\n"
    "To run Python: <tool_call>\npython\n<code>\n...\n</code>\n</tool_call>\n"
    'To have submission.csv looked at: <tool_call>\n{"name": "Score", "arguments": {}}\n</tool_call>\n'
    "To finish: <answer>submission</answer>"
)

MAX_CALLS = 32
"""Tool calls of one reply that are read. A reply may hold as many as fit in its tokens, and each is a step."""

_OPENING = re.compile(r"<(think|tool_call|code|answer|tool_response)>")
_BODY_END = re.compile(r"</tool_call>|<(?:tool_call|tool_response|answer|think)>")
_TAG = r"</?(?:think|tool_call|code|answer|tool_response)>"
# A closing tag counts when it ends the line or another tag follows it, so that code may hold the text "</code>".
_CODE_END = re.compile(
    rf"</code>(?=[ \t]*(?:\r?\n|{_TAG}|\Z))|</tool_call>(?=\s*(?:{_TAG}|\Z))|<tool_response>|<answer>"
)
_WORD = re.compile(r"\s*(\w*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadReply:
    """What a reply asks for, in order."""

    actions: tuple[Action, ...]
    """Tool calls; an unreadable one is an `invalid` action. Code blocks that follow one another are one cell."""
    answered: bool
    """Whether it also answers, which counts after the tools have run."""
    ignored: bool = False
    """Whether it went on after a tool response that it made up itself."""


def read_reply(text: str, *, cut: bool = False) -> ReadReply:
    """Read one reply; `cut` says that the token limit ended it.

    A reply with neither a call nor an answer gives one `invalid` action that says what was expected.
    """
    actions: list[Action] = []
    answered = ignored = False
    text = without_thought(text)
    at, last_thought = 0, text.rfind("</think>")
    while not answered and not ignored and len(actions) < MAX_CALLS and (tag := _OPENING.search(text, at)):
        at = tag.end()
        match tag[1]:
            case "think":
                # A thought that is never closed hides nothing: what follows is read as if it were outside.
                closed = text.find("</think>", at) if at <= last_thought else -1
                at = closed + len("</think>") if closed >= 0 else at
            case "tool_call":
                action, at = _read_call(text, at, cut)
                actions.append(action)
            case "code":
                code, at, closed_tag = _read_code(text, at)
                actions.append(_run(code, cut and not closed_tag))
            case "answer":
                answered = True
            case _:
                ignored = True
    if not actions and not answered:
        actions = [_invalid("the reply was cut by the token limit before it called a tool" if cut else "no tool call")]
    return ReadReply(actions=tuple(_merged(actions)), answered=answered, ignored=ignored)


def _read_call(text: str, at: int, cut: bool) -> tuple[Action, int]:
    end = _BODY_END.search(text, at)
    code_tag = text.find("<code>", at)
    as_json = _read_json(text, at)
    if as_json is not None:
        return as_json
    if code_tag >= 0 and (end is None or code_tag < end.start()):
        code, at, closed = _read_code(text, code_tag + len("<code>"))
        return _run(code, cut and not closed), at
    body = text[at : end.start() if end else len(text)]
    after = len(text) if end is None else end.end() if end[0] == "</tool_call>" else end.start()
    word = _WORD.match(body)
    if word and word[1].lower() == PYTHON_TOOL:
        return _run(without_fence(body[word.end() :]), cut and end is None), after
    if not body.strip():
        return _invalid("the tool call is empty"), after
    return _invalid("the tool call is neither python with a code block nor a JSON object"), after


def _read_json(text: str, at: int) -> tuple[Action, int] | None:
    """A call written as JSON, judged by JSON itself, so that tags inside its strings do no harm."""
    start = re.compile(r"\s*(?:```(?:json)?\s*)?(?=\{)").match(text, at)
    if start is None:
        return None
    try:
        call, end = json.JSONDecoder(strict=False).raw_decode(text, start.end())
    # Nesting beyond the interpreter's depth and numbers of thousands of digits are as unreadable as a missing brace.
    except (ValueError, RecursionError):
        return None
    closing = re.compile(r"\s*(?:```\s*)?</tool_call>").match(text, end)
    after = closing.end() if closing else end
    name, arguments = call.get("name"), call.get("arguments")
    if not isinstance(name, str):
        return _invalid('the tool call has no "name"'), after
    if name.lower() == SCORE_TOOL.lower():
        return Action(kind=ActionKind.SUBMIT), after
    if name.lower() == PYTHON_TOOL:
        code = arguments.get("code") if isinstance(arguments, dict) else None
        return _run(code if isinstance(code, str) else "", False), after
    return _invalid(f"no tool named {shown_name(name)}; {nearest(name[:60], [PYTHON_TOOL, SCORE_TOOL])}"), after


def _read_code(text: str, at: int) -> tuple[str, int, bool]:
    """The code that begins at `at`, where reading goes on, and whether it was closed."""
    end = _CODE_END.search(text, at)
    if end is None:
        plain = text.find("</code>", at)
        stop = plain if plain >= 0 else len(text)
        return without_fence(text[at:stop]), min(len(text), stop + len("</code>")), plain >= 0
    # An opening tag that ends unclosed code is to be read itself.
    after = end.end() if end[0].startswith("</") else end.start()
    return without_fence(text[at : end.start()]), after, end[0].startswith("</")


def _run(code: str, cut: bool) -> Action:
    if cut:
        return _invalid("the reply was cut by the token limit in the middle of its code; nothing was run")
    if not code.strip():
        return _invalid("the code block is empty")
    return Action(kind=ActionKind.RUN_CODE, code=code)


def _invalid(problem: str) -> Action:
    return Action(kind=ActionKind.INVALID, problem=f"Nothing was done: {problem}. {EXPECTED}")


def _merged(actions: list[Action]) -> list[Action]:
    merged: list[Action] = []
    for action in actions:
        if merged and action.kind is merged[-1].kind is ActionKind.RUN_CODE:
            merged[-1] = Action(kind=ActionKind.RUN_CODE, code=f"{merged[-1].code}\n{action.code}")
        else:
            merged.append(action)
    return merged
