"""Shortening text."""

from hypothesis import given
from hypothesis import strategies as st

from sandmle.scaffolds.common.truncation import head_and_tail


@given(st.text(max_size=3000), st.integers(100, 1500))
def test_text_is_never_longer_than_the_limit_and_keeps_both_ends(text, limit):
    short = head_and_tail(text, limit)
    assert len(short) <= limit
    if len(text) <= limit:
        assert short == text
    else:
        assert short[:10] == text[:10]
        assert short[-10:] == text[-10:]


def test_the_mark_counts_what_is_left_out():
    short = head_and_tail("a" * 600 + "b" * 600, 300)
    left_out = int(short.split("[")[1].split()[0])
    assert left_out + short.count("a", 0, 140) + short.count("b", 160) == 1200
