"""The page at work in a real browser: filters hide, links from the matrix unfold."""

import re

import pytest

from sandmle.core.types.score import Medal


@pytest.fixture
def after(records, html_of, browsed, tmp_path):
    """The page's DOM after a reader's act."""
    episodes = [records.episode(f"t-{n}", 0, medal) for n, medal in enumerate((Medal.GOLD, None, Medal.GOLD))]
    html = html_of(None, records.run(tmp_path / "run", episodes))
    return lambda script, fragment="": browsed(html, script, fragment=fragment)


def test_a_filter_hides_what_does_not_match_and_says_how_many_are_left(after):
    script = (
        "const s = document.querySelector('form[data-list=episodes] select[name=medal]');"
        "s.value = 'gold'; s.dispatchEvent(new Event('change', {bubbles: true}));"
    )
    dom = after(script)
    shown = re.findall(r'<details class="episode item"([^>]*)>', dom)
    assert len(shown) == 3
    assert all(("hidden" in tag) != ('data-medal="gold"' in tag) for tag in shown)
    assert "2 of 3 shown" in dom


def test_a_link_to_a_trajectory_unfolds_it(after):
    opened = re.findall(r'<details class="episode item" id="(\w+)"[^>]* open=""', after("", "#e1"))
    assert opened == ["e1"]
