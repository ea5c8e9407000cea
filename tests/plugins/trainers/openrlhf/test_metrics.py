"""Only what is said is read."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandmle.plugins.trainers.openrlhf.metrics import parse_line

NUMBERS = st.dictionaries(st.text(max_size=20), st.floats() | st.integers(-(2**40), 2**40), max_size=8)


@given(NUMBERS, st.integers(0, 10**6))
def test_every_figure_comes_back_as_it_was(figures, step):
    found = parse_line(f"(PPOTrainer pid=12, ip=10.0.0.3) INFO x.py:1] ✨ Global step {step}: {figures}")
    assert (found.kind, found.step, set(found.figures)) == ("step", step, set(figures))
    assert all(
        value == found.figures[name] or (math.isnan(value) and math.isnan(found.figures[name]))
        for name, value in figures.items()
    )


@pytest.mark.parametrize(
    "line",
    [
        "",
        "Global step",
        "Global step x: {}",
        "Global step 3: [1]",
        "Global step 3: {'a': __import__('os')",
        "Global step 3: {**x}{",
        "Global step 3: {'a': 1, 'b'}",
        "Generate samples: 100%",
    ],
)
def test_another_line_is_left_alone(line):
    assert parse_line(line) is None


def test_what_is_no_number_is_left_out_and_nothing_is_executed():
    found = parse_line("Global step 3: {'a': 1.5, 'b': tensor(2), 'c': [1], 'd': None, 5: 1, 'e': True, 'f': -inf}")
    assert found.figures == {"a": 1.5, "e": 1.0, "f": -math.inf}


@given(st.text(max_size=200))
def test_no_text_makes_it_fail(text):
    parse_line(f"Global step 1: {{{text}}}")
    parse_line(text)
