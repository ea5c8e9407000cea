"""The page at work in a real browser: filters hide, links from the matrix unfold."""

import re
import subprocess

import pytest

from sandmle.core.types.score import Medal

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --virtual-time-budget=2000 --dump-dom"
)


@pytest.fixture
def after(records, html_of, chromium, tmp_path):
    """The page's DOM after a reader's act, which stands in for the reader's hands."""
    episodes = [records.episode(f"t-{n}", 0, medal) for n, medal in enumerate((Medal.GOLD, None, Medal.GOLD))]
    html = html_of(None, records.run(tmp_path / "run", episodes))
    # The policy would stop the act too, so it is taken out here; its own test is elsewhere.
    html = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", html)

    def act(script: str, fragment: str = "") -> str:
        file = tmp_path / "report.html"
        file.write_text(html.replace("</body>", f"<script>{script}</script></body>"), "utf-8")
        command = [chromium, *FLAGS.split(), f"--user-data-dir={tmp_path / 'profile'}", file.as_uri() + fragment]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout

    return act


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
