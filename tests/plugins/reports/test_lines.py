"""Line charts: points where their numbers are, words for those who do not see them."""

import re

from sandmle.plugins.reports.lines import Line, lines


def places(svg, css):
    return [
        tuple(map(float, one))
        for one in re.findall(rf'<circle cx="([\d.]+)" cy="([\d.]+)" r="[\d.]+" class="{css}', svg)
    ]


def test_higher_values_stand_higher_and_later_steps_further_right():
    svg = lines("Reward", [Line(label="r", points=[(1, 0.2), (2, 0.8), (3, 0.5)], css="s0")], unit="step", high=1.0)
    (x1, y1), (x2, y2), (x3, y3) = places(svg, "mark s0")
    assert x1 < x2 < x3
    assert y2 < y3 < y1
    assert 'polyline points="' in svg


def test_the_alternative_text_says_first_and_last_and_few_between():
    points = [(n, n / 100) for n in range(1, 101)]
    label = re.search(
        'aria-label="([^"]*)"', lines("Loss", [Line(label="loss", points=points, css="s0")], unit="epoch")
    )[1]
    assert label.startswith("Loss. loss: 0.010 at epoch 1, ")
    assert label.endswith("1.000 at epoch 100")
    assert label.count(" at epoch ") == 6


def test_one_point_no_point_and_a_flat_line_are_drawn_within_the_chart():
    for points in ([], [(4, 0.5)], [(1, 0.0), (2, 0.0)], [(1, -3.0), (2, 7.0)]):
        svg = lines("T", [Line(label="one", points=points, css="s1")], unit="step")
        assert len(places(svg, "mark s1")) == len(points)
        for x, y in places(svg, "mark s1"):
            assert 0 <= x <= 440
            assert 0 <= y <= 190
        assert not re.search('="(?:nan|inf)', svg)
    assert "one: no value" in lines("T", [Line(label="one", points=[], css="s1")], unit="step")


def test_rings_are_not_joined():
    svg = lines("T", [Line(label="v", points=[(0, 0.1), (9, 0.3)], css="s0", rings=True)], unit="step")
    assert "polyline" not in svg
    assert len(places(svg, "ring s0")) == 2


def test_a_label_is_text_and_never_markup():
    svg = lines("<b>", [Line(label="<script>", points=[(0, 1)], css="s0")], unit="step")
    assert "<script>" not in svg
    assert "<b>" not in svg
