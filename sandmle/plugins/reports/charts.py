"""Which charts the page has, drawn from its numbers. How a chart looks is `svg.py`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from sandmle.core.types.episode import Outcome
from sandmle.core.types.report import AgentSummary, Estimate
from sandmle.core.types.score import Direction
from sandmle.plugins.reports import numbers, svg
from sandmle.plugins.reports.corpus import CardView
from sandmle.plugins.reports.page import Page
from sandmle.plugins.reports.results import MEDALS, PALETTE, TIME_PARTS

ESTIMATES: Final = (
    ("human_rank", "HumanRank"),
    ("reward", "Reward"),
    ("any_medal", "Any medal"),
    ("above_median", "Above median"),
    ("valid", "Valid submission"),
    ("gold", "Gold"),
)
"""Field of `AgentSummary` to the heading of its chart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Charts:
    """Every chart outside the task cards."""

    distributions: tuple[tuple[str, Markup], ...]
    estimates: tuple[tuple[str, Markup], ...]
    rewards: Markup
    reward_key: tuple[tuple[str, str], ...]
    """(name, CSS class) of each reward part."""
    times: Markup
    time_key: tuple[tuple[str, str], ...]


def overview(page: Page) -> Charts:
    """Draw everything that is about the whole corpus or about agents."""
    distributions = () if page.corpus is None else page.corpus.distributions
    names = list(dict.fromkeys(part.name for agent in page.agents for part in agent.parts))
    reward_css = _palette(names) | {name: f"p-{name}" for name in names if name in MEDALS}
    time_css = _palette(TIME_PARTS)
    return Charts(
        distributions=tuple(
            (heading, svg.counts(f"Tasks by {heading.lower()}", rows)) for heading, rows in distributions
        ),
        estimates=tuple((heading, _estimate(page, field, heading)) for field, heading in ESTIMATES),
        rewards=svg.stacked("Mean reward by part", _reward_rows(page), reward_css),
        reward_key=tuple(reward_css.items()),
        times=svg.stacked("Wall time by part, all episodes", _time_rows(page), time_css),
        time_key=tuple(time_css.items()),
    )


def strip(page: Page, card: CardView) -> Markup:
    """Where the board's and the agents' scores fall on one task, and the medal thresholds."""
    task, lanes = card.task, []
    for agent, episodes in page.by_task(task.task_id):
        counting = [episode for episode in episodes if episode.outcome is not Outcome.INFRASTRUCTURE]
        scores = tuple(one.grade.score for one in counting if one.grade is not None and one.grade.score is not None)
        lanes.append(svg.Lane(label=agent.short, scores=scores, invalid=len(counting) - len(scores), css=agent.css))
    thresholds = task.spec.thresholds
    lines = {name: getattr(thresholds, name) for name in ("gold", "silver", "bronze", "median")}
    maximize = task.spec.metric.direction is Direction.MAXIMIZE
    return svg.strip(f"Scores on {task.task_id}", card.board, lines, lanes, maximize=maximize)


def _palette(names: list[str] | tuple[str, ...]) -> dict[str, str]:
    return {name: f"p{number % PALETTE}" for number, name in enumerate(names)}


def _estimate(page: Page, field: str, heading: str) -> Markup:
    rows = []
    for agent in page.agents:
        estimate = _of(agent.summary, field)
        rows.append(
            svg.Bar(label=agent.short, value=estimate.mean, low=estimate.low, high=estimate.high, css=agent.css)
        )
    return svg.bars(f"{heading}, mean and 95 % interval", rows)


def _of(summary: AgentSummary, field: str) -> Estimate:
    estimate = getattr(summary, field)
    if not isinstance(estimate, Estimate):
        raise TypeError(f"AgentSummary.{field} is no Estimate")
    return estimate


def _reward_rows(page: Page) -> list[svg.Stack]:
    return [
        svg.Stack(
            label=agent.short,
            parts={part.name: part.gain for part in agent.parts},
            total=numbers.fixed(sum(part.gain for part in agent.parts)) if agent.parts else numbers.ABSENT,
        )
        for agent in page.agents
    ]


def _time_rows(page: Page) -> list[svg.Stack]:
    return [
        svg.Stack(label=agent.short, parts=_totals(agent.time.total), total=numbers.seconds(agent.time.grand_total))
        for agent in page.agents
    ]


def _totals(total: Mapping[str, float]) -> dict[str, float]:
    return {part: total[part] for part in TIME_PARTS}
