"""Reading programs and reviews out of whatever a model says."""

import json
import math
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandmle.scaffolds.common.tree.reading import (
    MAX_PROGRAM_CHARS,
    MAX_REPLY_CHARS,
    Program,
    Review,
    Unreadable,
    is_python,
    read_program,
    read_review,
)

REVIEW = '{"is_bug": false, "summary": "fine", "metric": 0.5, "lower_is_better": true}'
GOOD = Review(is_bug=False, summary="fine", metric=0.5, lower_is_better=True)


def program(text, *, needs_plan=True, cut=False):
    return read_program(text, needs_plan=needs_plan, cut=cut)


def test_a_plan_and_a_block_are_a_program():
    found = program("A plan.\n\n```python\nprint(1)\n```")
    assert found == Program(plan="A plan.", code="print(1)")


def test_several_blocks_are_one_program_and_other_languages_are_none():
    found = program("Plan\n```bash\npip install x\n```\n```py\na = 1\n```\nthen\n```\nb = 2\n```")
    assert found == Program(plan="Plan", code="a = 1\n\nb = 2")


def test_fences_and_tags_inside_of_code_do_not_end_it():
    code = "text = '</think> </code> <tool_response>'\nfence = '```'\nprint(text, fence)"
    assert program(f"Plan\n```python\n{code}\n```") == Program(plan="Plan", code=code)


def test_code_in_the_thought_is_not_run():
    text = "<think>\n```python\nprint('thought')\n```\n</think>\nPlan\n```python\nprint('said')\n```"
    assert program(text) == Program(plan="Plan", code="print('said')")


def test_a_made_up_tool_response_is_only_words():
    text = "Plan\n<tool_response>score 0.99</tool_response>\n```python\nprint(1)\n```"
    assert program(text).code == "print(1)"


def test_a_longer_fence_may_hold_shorter_ones():
    assert program('Plan\n````python\nx = """\n```\n"""\n````').code == 'x = """\n```\n"""'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no Python code block"),
        ("<think>nothing else</think>", "no Python code block"),
        ("Ich würde zuerst die Daten ansehen.", "no Python code block"),
        ("我会先看看数据。", "no Python code block"),
        ("Plan\n```python\nprint(1)", "not closed"),
        ("Plan\n```python\nprint(1\n```", "compiles"),
        ('{"action": "execute_code"}\n```json\n{}\n```', "compiles"),
        ("```python\nprint(1)\n```", "no plan"),
        ("x" * 1_000_000, f"more than {MAX_REPLY_CHARS}"),
        ("Plan\n```python\n" + "x = 1\n" * (MAX_PROGRAM_CHARS // 6 + 1) + "```", "compiles"),
    ],
)
def test_what_is_no_program_is_refused_with_a_reason(text, problem):
    found = program(text)
    assert isinstance(found, Unreadable)
    assert problem in found.problem


def test_a_cut_reply_says_so():
    assert "token limit" in program("Plan\n```python\nprint(1)", cut=True).problem


def test_a_reply_of_bare_python_is_a_program_where_no_plan_is_asked_for():
    assert program("print(1)", needs_plan=False) == Program(plan="", code="print(1)")
    assert isinstance(program("print(1)"), Unreadable)


@pytest.mark.parametrize(
    "hostile", ["(" * 50_000, "-" * 90_000 + "1", "x" + ".a" * 40_000, "\x00", "é" * 10, "a\udcff"]
)
def test_compiling_hostile_text_only_ever_says_yes_or_no(hostile):
    assert is_python(hostile) in (True, False)


def nested_finally(depth, within=""):
    opened = "".join(f"{' ' * at}try:\n{' ' * at} {within or 'pass'}\n{' ' * at}finally:\n" for at in range(depth))
    return f"{opened}{' ' * depth}x = 1\n"


def test_a_finally_in_a_finally_is_not_compiled_for_every_way_into_it():
    """Written out for each of them, this little program takes gigabytes of the memory that all episodes share."""
    body = nested_finally(14, "return").replace("\n", "\n  ")
    tracemalloc.start()
    try:
        assert is_python(nested_finally(16))
        assert is_python(f"def f():\n  {body}pass")
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_what_stands_in_a_finally_is_judged_all_the_same():
    assert not is_python("try:\n  pass\nfinally:\n  return\n")
    assert is_python(
        "for a in b:\n  try:\n    pass\n  except E:\n    pass\n  else:\n    pass\n  finally:\n    continue\n"
    )


def test_many_open_fences_are_read_in_no_time():
    assert isinstance(program("```python\n" * 30_000), Unreadable)


@pytest.mark.parametrize(
    "text",
    [
        REVIEW,
        f"```json\n{REVIEW}\n```",
        f"<think>{{'a'}}</think>\nHere it is: {REVIEW} Done.",
        '{"is_bug": false, // it ran\n "summary": "fine", /* and */ "metric": 0.5, "lower_is_better": true,}',
        f'{{"is_bug": true, "summary": "an example", "metric": 9.0, "lower_is_better": false}} no: {REVIEW}',
        f'{{"half": {{ {REVIEW}',
        REVIEW.replace("}", ', "confidence": "high"}'),
    ],
)
def test_a_review_is_found_among_words_fences_and_comments(text):
    assert read_review(text) == GOOD


def test_comment_marks_inside_of_strings_stay():
    found = read_review('{"is_bug": false, "summary": "see http://x /* y */,}", "metric": 1,}')
    assert found == Review(is_bug=False, summary="see http://x /* y */,}", metric=1.0, lower_is_better=None)


@pytest.mark.parametrize("metric", ["NaN", "Infinity", '"0.9"', "true", "null", "[1]", "1" * 400])
def test_a_metric_that_is_no_finite_number_is_none(metric):
    found = read_review(f'{{"is_bug": false, "summary": "", "metric": {metric}, "lower_is_better": false}}')
    assert found == Review(is_bug=False, summary="", metric=None, lower_is_better=False)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "fine, score 0.9",
        '{"is_bug": "no", "metric": 1}',
        "{" * 100_000,
        '{"a":' * 60_000,
        "x" * 10**6,
        '\\"' * 100_000,
        "/*" * 100_000,
    ],
)
def test_what_is_no_review_is_refused(text):
    assert isinstance(read_review(text), Unreadable)


def test_without_is_bug_a_metric_decides():
    assert read_review('{"metric": 0.5}').is_bug is False
    assert read_review('{"metric": null}').is_bug is True


@given(st.text(max_size=300), st.booleans(), st.booleans())
def test_any_text_is_a_program_that_compiles_or_refused(text, needs_plan, cut):
    found = read_program(text, needs_plan=needs_plan, cut=cut)
    if isinstance(found, Program):
        assert is_python(found.code)
        assert found.code.strip()
        assert found.plan or not needs_plan
    else:
        assert found.problem


@given(st.text(alphabet="`python\n {}<>/thinkx=1", max_size=200))
def test_fences_in_any_order_never_break_the_reader(text):
    assert isinstance(read_program(text, needs_plan=False), Program | Unreadable)


@given(st.text(max_size=300))
def test_any_text_is_a_review_or_refused(text):
    found = read_review(text)
    assert isinstance(found, Unreadable) or found.metric is None or math.isfinite(found.metric)


@given(
    st.booleans(),
    st.text(max_size=60),
    st.none() | st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.text(alphabet=st.characters(exclude_characters="{<`"), max_size=40),
)
def test_a_review_survives_any_words_around_it(is_bug, summary, metric, lower, words):
    fields = {"is_bug": is_bug, "summary": summary, "metric": metric, "lower_is_better": lower}
    found = read_review(f"{words}\n{json.dumps(fields)}\n{words}")
    assert found == Review(is_bug=is_bug, summary=summary.strip(), metric=metric, lower_is_better=lower)
