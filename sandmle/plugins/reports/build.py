"""The page as HTML: templates filled within a size budget, style and script inline, nothing fetched from anywhere.

Every text of a record was written by a model, an agent or a stranger. Jinja escapes all of it; the content
security policy then allows exactly the style and the script of this package, by hash, and pictures and sounds from
data URIs.
"""

import base64
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from sandmle.core.engine.matrix_text import relative
from sandmle.plugins.reports import charts, curves, markdown, numbers, trajectories
from sandmle.plugins.reports.corpus import TaskView, read_card
from sandmle.plugins.reports.heat import heat_map
from sandmle.plugins.reports.page import Page
from sandmle.plugins.reports.results import AgentView

CARDS_BUDGET: Final = 1_800_000
"""Bytes of HTML for task cards."""
TRAJECTORIES_BUDGET: Final = 3_600_000
"""Bytes of HTML for trajectories; with the cards and the rest a report stays below 6 MB."""
SHOWN_OF_EACH: Final = 3
"""Tasks of every modality that are shown before any others."""
MAX_TABLE_ROWS: Final = 400
"""Rows of the table of tasks and of the matrix; more are only counted."""
_TEMPLATES: Final = Path(__file__).parent / "templates"
_INVISIBLE: Final[dict[int, int | str | None]] = {
    **{code: 0x2400 + code for code in range(32) if code not in (9, 10, 13)},
    0x7F: 0x2421,
    # Bidirectional controls could make code read otherwise than it runs.
    **{code: f"⟨U+{code:04X}⟩" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x61C)},
}
"""Control characters, shown instead of obeyed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A finished page and what it had no room for."""

    html: bytes
    cards: int
    cards_left_out: int
    trajectories: int
    trajectories_left_out: int


def build(page: Page) -> Report:
    """Render the page."""
    env = _environment()
    cards, cards_left_out = _cards(env, page)
    by_agent, shown, left_out, links = _trajectories(env, page)
    style, script = ((_TEMPLATES / name).read_text("utf-8") for name in ("style.css", "script.js"))
    html = env.get_template("report.html").render(
        page=page,
        charts=charts.overview(page),
        curves=None if page.learned is None else curves.learned_charts(page.learned),
        columns=curves.columns,
        heat_map=None if page.crossed is None else heat_map(page.crossed),
        pair=_pair(env, page),
        pair_title=_pair_title(page),
        cards=cards,
        cards_left_out=cards_left_out,
        trajectories=by_agent,
        shown=shown,
        left_out=left_out,
        links=links,
        max_rows=MAX_TABLE_ROWS,
        style=Markup(style),
        script=Markup(script),
        policy=_policy(style, script),
    )
    return Report(
        html=html.translate(_INVISIBLE).encode("utf-8", "replace"),
        cards=len(cards),
        cards_left_out=cards_left_out,
        trajectories=shown,
        trajectories_left_out=left_out,
    )


def _environment() -> Environment:
    env = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    forms = (numbers.score, numbers.fixed, numbers.percent, numbers.seconds)
    differences = (numbers.signed, numbers.points, relative, numbers.measured)
    for filter_ in (*forms, *differences, markdown.render):
        env.filters[filter_.__name__] = filter_
    return env


def _policy(style: str, script: str) -> str:
    def digest(text: str) -> str:
        return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii") + "'"

    return (
        f"default-src 'none'; style-src {digest(style)}; script-src {digest(script)}; img-src data:; media-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _cards(env: Environment, page: Page) -> tuple[list[Markup], int]:
    """Task cards, kinds of task taking turns, until the budget is spent; and how many were left out."""
    tasks = () if page.corpus is None else page.corpus.tasks
    template = env.get_template("card.html")
    cards: list[Markup] = []
    spent = 0
    for task in _varied(tasks):
        card = read_card(task)
        html = template.render(card=card, task=task, strip=charts.strip(page, card), first=not cards)
        spent += len(html)
        if spent > CARDS_BUDGET:
            break
        cards.append(Markup(html))
    return cards, len(tasks) - len(cards)


def _varied(tasks: Sequence[TaskView]) -> list[TaskView]:
    """Three tasks of every modality first, of different types where it has them; then kinds taking turns."""
    kinds: Counter[tuple[str, str]] = Counter()
    rounds = []
    for task in tasks:
        kind = (task.spec.modality, task.spec.task_type)
        rounds.append((kinds[kind], kind, task))
        kinds[kind] += 1
    modalities: Counter[str] = Counter()
    ordered = []
    for turn, kind, task in sorted(rounds, key=lambda one: one[:2]):
        ordered.append((min(modalities[kind[0]], SHOWN_OF_EACH), turn, kind, task))
        modalities[kind[0]] += 1
    return [task for *_, task in sorted(ordered, key=lambda one: one[:3])]


def _trajectories(
    env: Environment, page: Page
) -> tuple[dict[str, list[Markup]], int, int, Mapping[tuple[str, str], str]]:
    """Rendered trajectories by agent, how many, how many had no room, and where (agent, task) links to."""
    template = env.get_template("trajectory.html")
    by_agent: dict[str, list[Markup]] = {agent.key: [] for agent in page.agents}
    links: dict[tuple[str, str], str] = {}
    spent, shown, left_out = 0, 0, 0
    for number, (agent, episode, role) in enumerate(trajectories.choose(page.agents)):
        if spent >= TRAJECTORIES_BUDGET:
            left_out += 1
            continue
        html = template.render(view=trajectories.view(agent, episode, role), anchor=f"e{number}", unfolded=False)
        # One long episode does not shut out the short ones after it.
        if spent + len(html) > TRAJECTORIES_BUDGET:
            left_out += 1
            continue
        spent += len(html)
        shown += 1
        by_agent[agent.key].append(Markup(html))
        links.setdefault((agent.key, episode.task_id), f"e{number}")
    return by_agent, shown, left_out, links


def _pair(env: Environment, page: Page) -> list[tuple[AgentView, Markup]]:
    """The held-out task before and after, rendered; empty when there is no such pair."""
    pair = None if page.learned is None else page.learned.pair
    if pair is None:
        return []
    template = env.get_template("trajectory.html")
    sides = (("before", *pair.before), ("after", *pair.after))
    return [
        (agent, Markup(template.render(view=trajectories.view(agent, episode, role), anchor=role, unfolded=True)))
        for role, agent, episode in sides
    ]


def _pair_title(page: Page) -> str:
    pair = None if page.learned is None else page.learned.pair
    tasks = () if page.corpus is None else page.corpus.tasks
    return next((one.spec.title for one in tasks if pair is not None and one.task_id == pair.task_id), "")
