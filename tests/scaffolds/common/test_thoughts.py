"""What is a thought, and what only looks like the end of one."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandmle.scaffolds.common.thoughts import without_thought


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("<think>a</think> b", " b"),
        ("a </think> b", " b"),
        ("I could write ```python\nx\n``` but no.</think>b", "b"),
        ("<think>it ends with '</think>' as text</think>b", "b"),
        ("a\n</think>\n</think>b", "\n</think>b"),
        ("\n<think>```\nx\n```</think>b", "b"),
        ("a</think>```python\nb\n```", "```python\nb\n```"),
        ("", ""),
    ],
)
def test_the_thought_that_a_reply_begins_with_is_left_out(text, rest):
    assert without_thought(text) == rest


@pytest.mark.parametrize(
    "text",
    [
        "Plan\n```\nx = '</think>'\n```",
        'print("a</think>")',
        "a `</think>` in prose",
        "<think>never closed ```python\n```",
        "Plan <think>a</think> b",
    ],
)
def test_what_is_no_thought_at_the_beginning_stays(text):
    assert without_thought(text) == text


@settings(deadline=None)
@given(st.text(alphabet="<>/think'\"` a\n", max_size=200))
def test_any_text_ends_with_what_is_left_of_it(text):
    assert text.endswith(without_thought(text))


@settings(deadline=None)
@given(thought=st.text(alphabet="abc `'\n<>", max_size=60), answer=st.text(max_size=60))
def test_an_answer_survives_its_thought(thought, answer):
    assert without_thought(f"<think>{thought} </think>\n{answer}") == f"\n{answer}"
