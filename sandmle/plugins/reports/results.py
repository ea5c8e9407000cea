"""What agents did, as numbers: each agent's summary, outcomes, reward parts and time, and the task-by-agent matrix.

An agent is a model under a scaffold with a feedback mode; the means and their intervals come from
`engine/evaluation.py`, and only what that has no word for is counted here.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from sandmle.core.engine.evaluation import summarize
from sandmle.core.engine.measures import human_rank
from sandmle.core.types.episode import Episode, Outcome, Timings
from sandmle.core.types.report import AgentSummary
from sandmle.core.types.score import Medal
from sandmle.plugins.reports import numbers

TIME_PARTS: Final = ("llm", "start", "run", "grade", "other", "queue")
MEDALS: Final = (Medal.GOLD.value, Medal.SILVER.value, Medal.BRONZE.value)
SEPARATOR: Final = " · "
PALETTE: Final = 8
"""Colours the style sheet has for agents and for reward parts; more of them share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One milestone of the reward, averaged over an agent's episodes."""

    name: str
    weight: float
    value: float | None
    """Mean unweighted value; None when it was never computed."""
    gain: float
    """Mean weight times value: what it adds to the mean reward."""
    uncomputed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeSplit:
    """Where wall time went, in seconds by part of `TIME_PARTS`."""

    median: Mapping[str, float]
    median_total: float
    total: Mapping[str, float]
    grand_total: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentView:
    """One agent as the report shows it."""

    key: str
    """Short and safe for attributes: a0, a1..."""
    label: str
    short: str
    """For charts: the label without what all agents share."""
    css: str
    summary: AgentSummary
    episodes: tuple[Episode, ...]
    outcomes: Mapping[str, int]
    medals: Mapping[str, int]
    stops: Mapping[str, int]
    presets: tuple[str, ...]
    parts: tuple[Part, ...]
    time: TimeSplit
    tokens: int
    cost_usd: float
    retries: int
    """Infrastructure failures that a later attempt made good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One agent on one task."""

    human_rank: float | None
    """Mean over the episodes that count, one without a valid submission counting 0; None when there are none."""
    medals: tuple[str, ...]
    """One word per episode: a medal, `none`, `invalid` or `infrastructure`."""

    @property
    def heat(self) -> int | None:
        """0 to 9, for the cell's colour."""
        if self.human_rank is None or not numbers.is_finite(self.human_rank):
            return None
        return min(9, max(0, int(self.human_rank * 10)))


def agents(runs: Mapping[str, Sequence[Episode]]) -> tuple[AgentView, ...]:
    """Every agent of the runs, best mean HumanRank first.

    Args:
        runs: run name to its episodes. The same agent in two runs stays two rows, each named with its run.
    """
    groups: dict[tuple[str, str, str, str], list[Episode]] = {}
    for run, episodes in runs.items():
        for episode in episodes:
            groups.setdefault((episode.model, episode.scaffold, episode.feedback.value, run), []).append(episode)
    found = [(key, summarize(episodes)[0], episodes) for key, episodes in groups.items()]
    found.sort(
        key=lambda one: one[1].human_rank.mean if numbers.is_finite(one[1].human_rank.mean) else -1.0, reverse=True
    )
    labels = _labels([key for key, _, _ in found])
    shorts = _shorts(labels)
    return tuple(
        _agent(number, (labels[number], shorts[number]), summary, episodes)
        for number, (_, summary, episodes) in enumerate(found)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PartRow:
    """One reward part across agents."""

    name: str
    cells: tuple[Part | None, ...]
    """In the agents' order; None where an agent's reward has no such part."""


def part_rows(rows: Sequence[AgentView]) -> tuple[PartRow, ...]:
    """Reward parts in the order first met, each with every agent's numbers."""
    names = dict.fromkeys(part.name for agent in rows for part in agent.parts)
    return tuple(
        PartRow(
            name=name, cells=tuple(next((part for part in agent.parts if part.name == name), None) for agent in rows)
        )
        for name in names
    )


def medal_word(episode: Episode) -> str:
    """What an episode came to in one word: a medal, `none`, `invalid` or `infrastructure`."""
    if episode.outcome is Outcome.INFRASTRUCTURE:
        return "infrastructure"
    if episode.grade is None or not episode.grade.valid:
        return "invalid"
    return episode.grade.medal.value


def matrix(task_ids: Sequence[str], rows: Sequence[AgentView]) -> dict[str, tuple[Cell, ...]]:
    """Task to one cell per agent, in the agents' order."""
    by_task: dict[str, tuple[Cell, ...]] = {}
    grouped = []
    for agent in rows:
        mine: dict[str, list[Episode]] = {}
        for episode in agent.episodes:
            mine.setdefault(episode.task_id, []).append(episode)
        grouped.append(mine)
    for task_id in task_ids:
        by_task[task_id] = tuple(_cell(mine.get(task_id, ())) for mine in grouped)
    return by_task


def _cell(episodes: Sequence[Episode]) -> Cell:
    ordered = sorted(episodes, key=lambda episode: episode.slot)
    ranks = [human_rank(episode) for episode in ordered if episode.outcome is not Outcome.INFRASTRUCTURE]
    return Cell(human_rank=numbers.mean(ranks), medals=tuple(map(medal_word, ordered)))


def _labels(keys: Sequence[tuple[str, str, str, str]]) -> list[str]:
    """The shortest names that tell the agents apart; the scaffold is always said."""
    plain = [f"{model}{SEPARATOR}{scaffold}" for model, scaffold, _, _ in keys]
    with_mode = [f"{name}{SEPARATOR}{key[2]}" for name, key in zip(plain, keys, strict=True)]
    with_run = [f"{name}{SEPARATOR}{key[3]}" for name, key in zip(with_mode, keys, strict=True)]
    return [
        name if plain.count(name) == 1 else mode if with_mode.count(mode) == 1 else run
        for name, mode, run in zip(plain, with_mode, with_run, strict=True)
    ]


def _shorts(labels: Sequence[str]) -> list[str]:
    """Labels without the parts that all of them have; the model's name without its provider, where that suffices."""
    rows = [label.split(SEPARATOR) for label in labels]
    shared = set.intersection(*(set(row) for row in rows)) if len(rows) > 1 else set(rows[0][1:]) if rows else set()
    kept = [SEPARATOR.join(part for part in row if part not in shared) or row[0] for row in rows]
    bare = [name.rpartition("/")[2] for name in kept]
    return bare if len(set(bare)) == len(bare) else kept


def _agent(number: int, names: tuple[str, str], summary: AgentSummary, episodes: Sequence[Episode]) -> AgentView:
    counting = [episode for episode in episodes if episode.outcome is not Outcome.INFRASTRUCTURE]
    return AgentView(
        key=f"a{number}",
        label=names[0],
        short=names[1],
        css=f"s{number % PALETTE}",
        summary=summary,
        episodes=tuple(episodes),
        outcomes=Counter(episode.outcome.value for episode in episodes),
        medals=Counter(word for word in map(medal_word, counting) if word in MEDALS),
        stops=Counter(episode.stop_reason.value for episode in episodes if episode.stop_reason is not None),
        presets=tuple(sorted({episode.reward.preset for episode in counting if episode.reward is not None})),
        parts=_parts(counting),
        time=_time([episode.timings for episode in episodes]),
        tokens=sum(episode.usage.prompt_tokens + episode.usage.completion_tokens for episode in episodes),
        cost_usd=sum(episode.usage.cost_usd for episode in episodes),
        retries=sum(episode.attempts - 1 for episode in counting),
    )


def _parts(episodes: Sequence[Episode]) -> tuple[Part, ...]:
    rewards = [episode.reward for episode in episodes if episode.reward is not None]
    weights: dict[str, float] = {}
    for reward in rewards:
        for name in reward.parts:
            weights.setdefault(name, reward.weights.get(name, 0.0))
    found = []
    for name, weight in weights.items():
        cells = [(reward.parts[name], reward.weights.get(name, 0.0)) for reward in rewards if name in reward.parts]
        known = [(value, scale) for value, scale in cells if value is not None]
        found.append(
            Part(
                name=name,
                weight=weight,
                value=numbers.mean([value for value, _ in known]),
                gain=sum(value * scale for value, scale in known) / len(rewards),
                uncomputed=len(cells) - len(known),
            )
        )
    return tuple(found)


def _time(timings: Sequence[Timings]) -> TimeSplit:
    columns = {part: [float(getattr(one, f"{part}_s")) for one in timings] for part in TIME_PARTS}
    return TimeSplit(
        median={part: median(values) for part, values in columns.items()},
        median_total=median([one.total_s for one in timings]),
        total={part: sum(values) for part, values in columns.items()},
        grand_total=sum(one.total_s for one in timings),
    )
