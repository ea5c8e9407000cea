"""Reading replies of the tag protocol."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandmle.core.types.trajectory import ActionKind
from sandmle.scaffolds.react.parse import read_reply


def codes(text, **options):
    return [action.code for action in read_reply(text, **options).actions if action.kind is ActionKind.RUN_CODE]


def kinds(text, **options):
    return [action.kind.value for action in read_reply(text, **options).actions]


CALL = "<tool_call>\npython\n<code>\nprint(1)\n</code>\n</tool_call>"
SCORE = '<tool_call>\n{"name": "Score", "arguments": {}}\n</tool_call>'


def test_a_well_formed_python_call_is_its_code():
    read = read_reply(f"<think>\nlook\n</think>\n{CALL}")
    assert [action.code for action in read.actions] == ["print(1)"]
    assert not read.answered
    assert not read.ignored


@pytest.mark.parametrize(
    "text",
    [
        "<tool_call>\npython\n<code>\nprint(1)\n</code>",
        "<tool_call>\npython\n<code>\nprint(1)\n",
        "<tool_call>\npython\n<code>\nprint(1)\n</tool_call>",
        "<tool_call>python<code>print(1)</code></tool_call>",
        "<tool_call>\n<code>\nprint(1)\n</code>\n</tool_call>",
        "<tool_call>\npython\nprint(1)\n</tool_call>",
        "<tool_call>\nPython\n```python\nprint(1)\n```\n</tool_call>",
        "<tool_call>\npython\n<code>\n```python\nprint(1)\n```\n</code>\n</tool_call>",
        "<tool_call>\npython\n<code>\n```python\nprint(1)\n</code>\n</tool_call>",
        "<code>\nprint(1)\n</code>",
        '<tool_call>{"name": "python", "arguments": {"code": "print(1)"}}</tool_call>',
        "thinking aloud</think><tool_call>\npython\n<code>\nprint(1)\n</code></tool_call>",
        "<think>never closed <tool_call>\npython\n<code>\nprint(1)\n</code></tool_call>",
    ],
)
def test_slips_that_leave_no_doubt_are_forgiven(text):
    assert codes(text) == ["print(1)"]


def test_several_code_blocks_become_one_cell_in_their_order():
    inside = "<tool_call>\npython\n<code>\na = 1\n</code>\n<code>\nb = 2\n</code>\n</tool_call>"
    apart = "<tool_call>python<code>a = 1</code></tool_call>\n<tool_call>python<code>b = 2</code></tool_call>"
    assert codes(inside) == codes(apart) == ["a = 1\nb = 2"]


def test_a_made_up_tool_response_and_all_after_it_is_ignored():
    read = read_reply(f"{CALL}\n<tool_response>\n1\n</tool_response>\n{SCORE}<answer>submission</answer>")
    assert [action.kind for action in read.actions] == [ActionKind.RUN_CODE]
    assert read.ignored
    assert not read.answered


def test_code_left_open_ends_where_a_response_is_made_up():
    read = read_reply("<tool_call>\npython\n<code>\nprint(1)\n<tool_response>\n1\n</tool_response>")
    assert [action.code for action in read.actions] == ["print(1)"]
    assert read.ignored


def test_the_word_python_and_tags_in_a_thought_mean_nothing():
    thought = "<think>I call python with <code>x</code> in a <tool_call>, then <answer>submission</answer></think>\n"
    assert kinds(thought + SCORE) == ["submit"]
    assert not read_reply(thought + SCORE).answered
    assert codes(thought + CALL) == ["print(1)"]


def test_a_score_call_after_python_was_mentioned_is_a_score_call():
    assert kinds(f"<think>python, python</think>{SCORE}") == ["submit"]
    assert kinds('<tool_call>{"name": "score"}</tool_call>') == ["submit"]
    assert kinds('<tool_call>```json\n{"name": "Score", "arguments": {"competition_id": "x"}}\n```</tool_call>') == [
        "submit"
    ]
    assert kinds('<tool_call>{"name": "Score", "arguments": {}}') == ["submit"]


def test_tools_and_an_answer_in_one_message_are_both_read():
    read = read_reply(f"{CALL}\n{SCORE}\n<answer>submission</answer>")
    assert [action.kind for action in read.actions] == [ActionKind.RUN_CODE, ActionKind.SUBMIT]
    assert read.answered


@pytest.mark.parametrize("text", ["<answer>submission</answer>", "<answer>submission", "<answer>"])
def test_an_answer_alone_needs_no_tool(text):
    read = read_reply(text)
    assert read.answered
    assert read.actions == ()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no tool call"),
        ("I will look at the data with python.", "no tool call"),
        ("<tool_call></tool_call>", "empty"),
        ("<tool_call>python</tool_call>", "empty"),
        ("<tool_call>python<code></code></tool_call>", "empty"),
        ('<tool_call>{"name": "Scroe"}</tool_call>', "did you mean 'Score'?"),
        ('<tool_call>{"name": "search", "arguments": {}}</tool_call>', "no tool named 'search'"),
        ('<tool_call>{"arguments": {}}</tool_call>', 'no "name"'),
        ('<tool_call>{"name": "Score"</tool_call>', "neither"),
        ("<tool_call>Score</tool_call>", "neither"),
        ('<tool_call>{"name": "python", "arguments": "print(1)"}</tool_call>', "empty"),
    ],
)
def test_what_cannot_be_read_is_answered_with_what_was_expected(text, says):
    read = read_reply(text)
    assert [action.kind for action in read.actions] == [ActionKind.INVALID]
    assert says in read.actions[0].problem
    assert "<answer>submission</answer>" in read.actions[0].problem
    assert not read.answered


def test_code_that_the_token_limit_cut_is_not_run():
    cut = "<tool_call>\npython\n<code>\nimport os\nos.remove('sub"
    assert kinds(cut, cut=True) == ["invalid"]
    assert kinds(cut) == ["run_code"]
    assert kinds(CALL, cut=True) == ["run_code"]
    assert "token limit" in read_reply("words", cut=True).actions[0].problem


def test_code_may_hold_the_protocols_own_tags():
    code = 'html = "<p><code>x</code></p> <tool_call> </tool_call>."\nprint("<answer-ish>", html)'
    assert codes(f"<tool_call>\npython\n<code>\n{code}\n</code>\n</tool_call>") == [code]


def test_indentation_at_the_start_of_code_is_kept():
    assert codes("<tool_call>\npython\n<code>\n  x = 1\n  y = 2\n</code></tool_call>") == ["  x = 1\n  y = 2"]


@given(st.lists(st.sampled_from([
    "<think>", "</think>", "<tool_call>", "</tool_call>", "<code>", "</code>", "<answer>", "</answer>",
    "<tool_response>", "</tool_response>", "python", '{"name": "Score"}', "{", "print(1)", "\n", "```", "submission",
])).map("".join))  # fmt: skip
def test_any_heap_of_tags_is_read_as_something(text):
    read = read_reply(text)
    assert read.actions or read.answered
    for action in read.actions:
        assert action.kind is not ActionKind.RUN_CODE or action.code.strip()


def test_deep_nesting_and_length_are_read_in_time():
    assert kinds("<tool_call>" + "{" * 100_000) == ["invalid"]
    assert kinds('<tool_call>{"name": ' + "[" * 100_000) == ["invalid"]
    assert read_reply("<think>" * 20_000).actions[0].kind is ActionKind.INVALID
    assert read_reply("<tool_call>" * 5_000).actions
