"""Whatever a model, an agent or a stranger's corpus wrote stays text: by the parser, and in a real browser."""

import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from sandmle.core.types.score import Grade, Medal
from sandmle.core.types.trajectory import Action, ActionKind, Observation, Segment, Step, Trajectory, TranscriptEntry

ATTACKS = [
    "<script>document.title='pwned'</script>",
    "</pre></details></style></script><script>document.title='pwned'</script>",
    "<img src=x onerror=\"document.title='pwned'\">",
    '" autofocus onfocus="document.title=\'pwned\'" x="',
    "' onmouseover='document.title=1' zz='",
    "<svg onload=document.title='pwned'>",
    "</title><script>document.title='pwned'</script>",
    "{{ 7 * 7 }}{% raw %}",
    "javascript:document.title='pwned'",
    "]]><!--<script>document.title='pwned'</script>-->",
    "<base href='https://evil.example/'><link rel=stylesheet href='https://evil.example/x.css'>",
    "[click](javascript:alert(1)) ![i](https://evil.example/i.png) <https://evil.example>",
]
ALL = "\n".join(ATTACKS)
LINE = " ".join(ATTACKS)


@pytest.fixture
def page(records, html_of, tmp_path):
    """A page whose every free text is an attack."""
    hostile_csv = "id,image,nests\n" + "".join(
        f'{number},"{attack.replace(chr(34), chr(34) * 2)}.png","{attack.replace(chr(34), chr(34) * 2)}"\n'
        for number, attack in enumerate(ATTACKS)
    )
    names = {f"images/{number}.png": b"\x89PNG\r\n\x1a\n" + attack.encode() for number, attack in enumerate(ATTACKS)}
    solutions = [{"name": LINE, "score": 0.9, "code_sha256": ""}]
    draft = records.draft(
        title=LINE,
        domain=LINE,
        rule_family=LINE,
        metric={"name": LINE, "direction": "max"},
        solutions=solutions,
        dna={LINE: LINE},
        description=f"# {LINE}\n\n- {LINE}\n\n| a | {LINE} |\n|--|--|\n| {LINE} | `{LINE}` |\n\n**{LINE}**\n"
        f"```\n{ALL}\n```\n{ALL}",
        public={"train.csv": hostile_csv.encode(), **names},
        board=f"rank,score\n1,{ATTACKS[0]}\n2,0.5\n",
    )
    corpus = records.corpus(tmp_path / "tasks", [draft], [(LINE, ALL)])
    grade = Grade(
        valid=False, score=None, public_score=None, medal=Medal.NONE, above_median=False, human_rank=None, problem=ALL
    )
    base = records.trajectory(thought=ALL, code=ALL, seen=ALL, grade=grade)
    trajectory = Trajectory(
        segments=(
            Segment(
                entries=(
                    TranscriptEntry(message=type(base.segments[0].entries[0].message)(role="system", content=ALL)),
                    *base.segments[0].entries[1:],
                )
            ),
        ),
        steps=(
            *base.steps,
            Step(
                action=Action(kind=ActionKind.INVALID, problem=ALL),
                observation=Observation(text=ALL, grade=grade),
                turn=2,
                wall_s=0.1,
            ),
        ),
    )
    episodes = [
        records.episode(slot=0, grade=grade, trajectory=trajectory, model=f"{LINE}", scaffold=LINE, sandbox=LINE),
        records.episode(slot=1, model=f"other{LINE}", scaffold=LINE, started_at=LINE, failure=ALL),
        records.episode(slot=2, task_id=LINE, episode_id=LINE, model=f"other{LINE}", scaffold=LINE),
    ]
    return html_of(corpus, records.run(tmp_path / "run", episodes))


class Tags(HTMLParser):
    """Every start tag with its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    handle_startendtag = handle_starttag

    def handle_data(self, data):
        self.text.append(data)


def test_a_parser_finds_no_tag_attribute_or_address_of_the_attackers(page):
    text = "".join(check(page).text)
    for attack in ATTACKS:
        assert attack in text


def check(html):
    """Only tags, attributes and addresses of our own."""
    tags = Tags()
    tags.feed(html)
    assert sum(tag == "script" for tag, _ in tags.found) == 1
    assert not {tag for tag, _ in tags.found} & {"base", "link", "iframe", "object", "embed"}
    assert sum(tag == "form" for tag, _ in tags.found) == 2
    for tag, attributes in tags.found:
        assert not [name for name in attributes if name.startswith("on") or name in ("autofocus", "style", "zz")], tag
        address = attributes.get("href") or attributes.get("src") or "#"
        assert address.startswith(("#", "data:image/png;base64,")), (tag, address)
    return tags


def test_templates_in_records_are_not_run(page):
    assert "{{ 7 * 7 }}" in page
    assert ">49<" not in page


def _dump(chromium: str, file: Path, profile: Path) -> str:
    flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    more = "--disable-component-update --disable-sync --virtual-time-budget=2000 --dump-dom"
    command = [chromium, *flags.split(), *more.split(), f"--user-data-dir={profile}", file.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout


@pytest.mark.parametrize("guarded", [True, False], ids=["with the policy", "without the policy"])
def test_a_real_browser_runs_nothing_of_the_attackers(page, chromium, tmp_path, guarded):
    # Without the policy escaping alone must hold: two independent defences, each enough.
    html = page if guarded else re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)
    assert guarded or "Content-Security-Policy" not in html
    file = tmp_path / "report.html"
    file.write_text(html, "utf-8")
    dom = _dump(chromium, file, tmp_path / "profile")
    assert "<title>SandMLE report: tasks</title>" in dom
    check(dom)
    # Our own script ran under the policy: it shows the filters, which stand hidden in the file.
    assert re.search(r'<form class="filters" data-list="episodes">', dom)
    assert re.search(r"3 of 3 shown", dom)


def test_the_policy_stops_a_script_that_escaping_would_have_missed(page, chromium, tmp_path):
    file = tmp_path / "report.html"
    file.write_text(page.replace("<main>", "<main><script>document.title='pwned'</script>", 1), "utf-8")
    assert "<title>SandMLE report: tasks</title>" in _dump(chromium, file, tmp_path / "profile")


def test_control_and_direction_characters_are_shown_and_not_obeyed(records, html_of, tmp_path):
    episode = records.episode(trajectory=records.trajectory(code="x = 1 \u202e\u2066# \x1b[31m\x00", seen="\x07"))
    page = html_of(None, records.run(tmp_path / "run", [episode]))
    assert not set(page) & set("\u202e\u2066\x1b\x00\x07")
    assert "⟨U+202E⟩" in page
