"""Charts draw what they are given, in place, in any range."""

import math
import re
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from sandmle.plugins.reports import svg

ANY = st.floats(allow_nan=True, allow_infinity=True)


def marks(picture, tag, css):
    return [one for one in ElementTree.fromstring(picture).iter(tag) if css in (one.get("class") or "").split()]


def test_a_better_score_stands_further_right_whichever_way_is_better():
    for maximize, good, bad in ((True, 0.9, 0.1), (False, 0.1, 0.9)):
        lanes = [svg.Lane(label="x", scores=(good, bad), invalid=0, css="s0")]
        picture = svg.strip("t", [0.5], {"gold": good, "median": 0.5}, lanes, maximize=maximize)
        first, second = (float(one.get("cx") or 0) for one in marks(picture, "circle", "mark"))
        assert first > second


def test_a_far_score_is_drawn_at_the_edge_and_counted_in_words():
    lanes = [svg.Lane(label="x", scores=(0.4,), invalid=2, css="s0")]
    picture = svg.strip("t", [0.3, 0.4, 0.5, 34.5], {"gold": 0.3, "median": 0.5}, lanes, maximize=False)
    ticks = [float(one.get("x1") or 0) for one in marks(picture, "line", "tick")]
    assert ticks[0] - ticks[1] > 30
    assert "1 worse, at the edge" in picture
    assert "2 invalid" in picture


def test_bar_lengths_are_in_proportion():
    rows = [svg.Bar(label=str(v), value=v, low=v / 2, high=v, css="s0") for v in (0.25, 0.5, 1.0)]
    widths = [float(one.get("width") or 0) for one in marks(svg.bars("t", rows), "rect", "s0")]
    assert [round(width / widths[2], 2) for width in widths] == [0.25, 0.5, 1.0]


def test_stacked_parts_add_up_to_the_row():
    rows = [
        svg.Stack(label="a", parts={"x": 1.0, "y": 3.0}, total="4"),
        svg.Stack(label="b", parts={"x": 2.0}, total="2"),
    ]
    picture = svg.stacked("t", rows, {"x": "p0", "y": "p1"})
    x, z = (float(one.get("width") or 0) for one in marks(picture, "rect", "p0"))
    (y,) = (float(one.get("width") or 0) for one in marks(picture, "rect", "p1"))
    assert math.isclose(x + y, 2 * z, abs_tol=0.2)


@given(st.lists(ANY, max_size=6), st.lists(ANY, min_size=4, max_size=4), st.lists(ANY, max_size=4), st.booleans())
def test_any_numbers_give_a_well_formed_picture_within_its_frame(board, tiers, scores, maximize):
    lanes = [svg.Lane(label="<a&b>", scores=tuple(scores), invalid=0, css="s0")]
    lines = dict(zip(("gold", "silver", "bronze", "median"), tiers, strict=True))
    bars = [svg.Bar(label="x", value=tiers[0], low=tiers[1], high=tiers[2], css="s0")]
    stacks = [svg.Stack(label="x", parts={"p": tiers[0], "q": tiers[1]}, total="")]
    for picture in (
        svg.strip("t", board, lines, lanes, maximize=maximize),
        svg.bars("t", bars),
        svg.stacked("t", stacks, {"p": "p0", "q": "p1"}),
    ):
        width = float(ElementTree.fromstring(picture).get("viewBox", "").split()[2])
        for value in re.findall(r' (?:x|x1|x2|cx)="([^"]*)"', picture):
            assert 0 <= float(value) <= width
