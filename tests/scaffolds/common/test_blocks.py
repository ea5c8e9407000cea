"""Fenced blocks in a reply."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandmle.scaffolds.common.blocks import read_blocks
from sandmle.scaffolds.common.speech import shown_name


def codes(text):
    return [block.code for block in read_blocks(text)]


def test_a_block_has_its_language_its_code_and_its_place():
    text = "so\n```Python title=x\nprint(1)\n```\nend"
    [block] = read_blocks(text)
    assert (block.language, block.code, block.closed, block.is_python) == ("python", "print(1)", True, True)
    assert text[block.start : block.end] == "```Python title=x\nprint(1)\n```\n"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("```\nx = '''\n```python\n'''\n```", "x = '''\n```python\n'''"),
        ("````\n```\nx\n```\n````", "```\nx\n```"),
        ("~~~py\n```\n~~~", "```"),
        ("  ```py\n  x\n  ```", "  x"),
        ("```py\r\nx\r\n```\r\n", "x"),
        ("```py\nx = '\f```'\n```", "x = '\f```'"),
    ],
)
def test_a_fence_inside_of_a_block_does_not_close_it(text, code):
    assert codes(text) == [code]


def test_a_block_without_an_end_goes_to_the_end_and_says_so():
    [block] = read_blocks("```python\nx = 1\ny =")
    assert (block.code, block.closed) == ("x = 1\ny =", False)


def test_code_in_a_line_is_no_block():
    assert read_blocks("run ```x``` now, or `y`\n```x``` too") == ()


@given(st.lists(st.sampled_from(["```", "~~~", "````", "python", "json", "\n", " ", "x = 1", "\r\n"])).map("".join))
def test_any_heap_of_fences_is_blocks_in_their_order(text):
    blocks = read_blocks(text)
    assert all(block.closed for block in blocks[:-1])
    places = [place for block in blocks for place in (block.start, block.end)]
    assert places == sorted(places)
    assert all(block.end <= len(text) for block in blocks)


@given(st.text())
def test_a_name_that_is_repeated_can_say_nothing(name):
    shown = shown_name(name)
    assert shown == "something that is no name" or (shown.strip("'") == name and len(name) <= 40 and " " not in name)
