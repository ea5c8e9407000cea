"""Every parser of replies: it never raises, reads a megabyte of anything, and gives back the code it was given."""

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sandmle.core.types.message import ToolCall
from sandmle.core.types.trajectory import ActionKind
from sandmle.scaffolds.codeact import parse as codeact
from sandmle.scaffolds.common.fences import without_fence
from sandmle.scaffolds.common.thoughts import without_thought
from sandmle.scaffolds.common.tree.board import read_verdict
from sandmle.scaffolds.common.tree.reading import Program, read_program, read_review
from sandmle.scaffolds.mle_agent.parse import read_decision
from sandmle.scaffolds.openai_tools.tools import action_of, read_text_calls
from sandmle.scaffolds.react import parse as react
from sandmle.scaffolds.single_turn import parse as single_turn


def decision(text):
    """What cannot be read is a `ValueError` by contract; anything else is a failure."""
    try:
        return read_decision(text).argument
    except ValueError:
        return None


def text_call(text):
    """The code of the calls that stand in a text."""
    return "\n".join(action_of(call).code for call in read_text_calls(text).calls)


def program(text):
    found = read_program(text, needs_plan=False)
    return found.code if isinstance(found, Program) else None


def native_call(text):
    return action_of(ToolCall(call_id="a", name="run_python", arguments=text)).code


def code_of(reply):
    return "\n".join(action.code for action in reply.actions if action.kind is ActionKind.RUN_CODE)


PARSERS = {
    "react": lambda text: code_of(react.read_reply(text)),
    "codeact": lambda text: code_of(codeact.read_reply(text)),
    "single_turn": lambda text: single_turn.read_program(text).code,
    "mle_agent": decision,
    "openai_tools": native_call,
    "openai_tools as text": text_call,
    "tree search": program,
    "review": read_review,
    "verdict": read_verdict,
    "fence": without_fence,
    "thought": without_thought,
}
SPELLED = {
    "react": "<think>so</think>\n<tool_call>\npython\n<code>\n{}\n</code>\n</tool_call>",
    "codeact": "I go on.\n<execute>\n{}\n</execute>",
    "single_turn": "A plan.\n```python\n{}\n```\nThat is all.",
    "mle_agent": '{{"action": "validate_code", "params": {{"code": {}}}}}',
    "openai_tools": '{{"code": {}}}',
    "openai_tools as text": '<tool_call>\n{{"name": "run_python", "arguments": {{"code": {}}}}}\n</tool_call>',
    "tree search": "A plan.\n\n```python\n{}\n```",
    "fence": "```python\n{}\n```",
}
IN_JSON = ("mle_agent", "openai_tools", "openai_tools as text")
PIECES = (
    "<think>", "</think>", "<tool_call>", "</tool_call>", "<code>", "</code>", "<answer>", "<tool_response>",
    "<execute>", "</execute>", "<solution>", "```", "~~~", "```json", "python", "\n", "submit()", "Observation:", "{",
    "}", '"', '"action":', '"is_bug": true', "[", "//", "/*", "*/", "\\", "'", "x = 1", "\r", "\x00", "\ud800", ",",
)  # fmt: skip
OFTEN = (
    "word ",
    "<think>",
    "</think>",
    "<tool_call>",
    "<code>",
    "</code>",
    "<execute>",
    "</execute>",
    "```\n",
    "{",
    "[",
    '{"a":',
    "/*",
)
DIGITS = "9" * 5000
"""More than Python makes a number of."""
HEAPS = st.text() | st.lists(st.sampled_from(PIECES)).map("".join) | st.text(st.characters(categories=["Cs", "Cc"]))


@pytest.mark.parametrize("name", PARSERS)
@settings(deadline=None)
@given(text=HEAPS)
@example(text=f'<tool_call>{{"name": "python", "arguments": {{"code": {DIGITS}}}}}</tool_call>')
@example(text=f'{{"action": "execute_code", "params": {{"code": {DIGITS}}}}}')
@example(text=f'{{"is_bug": {DIGITS}, "metric": {DIGITS}}}')
def test_no_text_makes_a_parser_raise(name, text):
    PARSERS[name](text)


@pytest.mark.parametrize("piece", OFTEN)
@pytest.mark.parametrize("name", PARSERS)
def test_a_megabyte_of_anything_is_read(name, piece):
    """A parser that took time quadratic in the length would not come back from this."""
    PARSERS[name](piece * (1_000_000 // len(piece)))


@pytest.mark.parametrize("blank", [" ", "\n"])
@pytest.mark.parametrize("name", SPELLED)
def test_blanks_without_end_at_any_place_of_a_reply_are_read(name, blank):
    """Of two neighbours in a pattern that both take blanks, each tries every share of them."""
    code = "x = 1\nsubmit()"
    spelled = SPELLED[name].format(json.dumps(code) if name in IN_JSON else code)
    for at in range(len(spelled) + 1):
        PARSERS[name](f"{spelled[:at]}{blank * 200_000}.{spelled[at:]}")


@pytest.mark.parametrize("name", SPELLED)
@settings(deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="<")))
@example(text="```")
@example(text="</think>")
@example(text="</code> </execute> ``` </tool_call> <solution>")
@example(text='{"action": "validate_code"} // /* so */')
def test_code_comes_back_as_it_was_written(name, text):
    code = f"x = {text!r}\ny = x"
    assert PARSERS[name](SPELLED[name].format(json.dumps(code) if name in IN_JSON else code)) == code


@settings(deadline=None)
@given(st.text(), st.sampled_from(["", "Score on the public board: 0.5 (x)", "Score on the public board: nan (x)"]))
def test_a_verdict_is_valid_only_where_the_environment_says_so(text, score):
    told = read_verdict(f"{text}\n{score}")
    assert told.valid == text.strip().startswith("The submission is valid.")
    assert told.public is None or told.valid
