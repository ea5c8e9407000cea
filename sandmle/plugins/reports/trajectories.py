"""Whole trajectories for reading: which episodes are shown, and each as turns of thought, code and observation."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from sandmle.core.engine.measures import human_rank
from sandmle.core.types.episode import Episode, Outcome
from sandmle.core.types.message import ModelReply
from sandmle.core.types.score import Grade
from sandmle.core.types.trajectory import Step
from sandmle.plugins.reports import numbers
from sandmle.plugins.reports.results import AgentView, medal_word

MAX_PROMPT: Final = 3_000
MAX_THOUGHT: Final = 4_000
MAX_CODE: Final = 8_000
MAX_OBSERVATION: Final = 5_000
MAX_TURNS: Final = 40
FEW: Final = 3
"""An agent with at most this many episodes has no best and worst to point out."""
_TAGS: Final = re.compile(r"<tool_call>\s*python\s*<code>|</?(?:think|tool_call|code|answer)>|```(?:python)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class StepView:
    """One action and its observation."""

    kind: str
    code: str
    problem: str
    observation: str
    cell: str
    grade: str
    """The verdict in words; empty when there was none."""
    medal: str
    wall_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnView:
    """One reply of the model and the steps that came of it."""

    number: int
    """From 1, as people count."""
    thought: str
    cut: bool
    """Whether the token limit ended the reply."""
    tokens: int
    steps: tuple[StepView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrajectoryView:
    """One episode to read."""

    episode: Episode
    agent: AgentView
    role: str
    """`best`, `median` or `worst` of its agent; else empty."""
    medal: str
    prompt: str
    problem: str
    """Why the final submission is invalid; empty when it is not."""
    failure: str
    """The infrastructure's, with which the last attempt ended."""
    turns: tuple[TurnView, ...]
    more_turns: int
    """Turns after the last one shown."""


def choose(agents: Sequence[AgentView]) -> tuple[tuple[AgentView, Episode, str], ...]:
    """Every episode with its agent and role, the ones most worth reading first.

    First each agent's best, median and worst by reward (then HumanRank), then a first infrastructure failure
    of each, then the rest in task order, agents taking turns, so that a cut leaves every agent its share.
    """
    chosen: list[tuple[AgentView, Episode, str]] = []
    rest: list[tuple[AgentView, Episode, str]] = []
    place = {agent.key: number for number, agent in enumerate(agents)}
    for agent in agents:
        roles = _roles(agent.episodes)
        for episode in agent.episodes:
            (chosen if episode.episode_id in roles else rest).append(
                (agent, episode, roles.get(episode.episode_id, ""))
            )
    order = {"best": 0, "median": 1, "worst": 2, "": 3}
    chosen.sort(key=lambda one: (order[one[2]], place[one[0].key]))
    rest.sort(key=lambda one: (one[1].task_id, one[1].slot, place[one[0].key]))
    return (*chosen, *rest)


def view(agent: AgentView, episode: Episode, role: str) -> TrajectoryView:
    """One episode as turns, long texts cut with a note."""
    turns = list(_turns(episode))
    return TrajectoryView(
        episode=episode,
        agent=agent,
        role=role,
        medal=medal_word(episode),
        prompt=numbers.clip(_prompt(episode), MAX_PROMPT),
        problem=numbers.clip((episode.grade.problem if episode.grade else None) or "", MAX_THOUGHT),
        failure=numbers.clip(episode.failure or "", MAX_THOUGHT),
        turns=tuple(turns[:MAX_TURNS]),
        more_turns=max(0, len(turns) - MAX_TURNS),
    )


def verdict(grade: Grade) -> str:
    """A grade in words."""
    if not grade.valid:
        return f"invalid submission: {numbers.clip_line(grade.problem or 'no reason given', 400)}"
    standing = "above the median" if grade.above_median else "not above the median"
    return (
        f"valid; private score {numbers.score(grade.score)}, public score {numbers.score(grade.public_score)}, "
        f"HumanRank {numbers.fixed(grade.human_rank)}, {standing}"
    )


def _roles(episodes: Sequence[Episode]) -> dict[str, str]:
    ranked = sorted((one for one in episodes if one.outcome is not Outcome.INFRASTRUCTURE), key=_merit, reverse=True)
    roles = {one.episode_id: "" for one in episodes if one.outcome is Outcome.INFRASTRUCTURE}
    roles = dict(list(roles.items())[:1])
    if len(ranked) <= FEW:
        return roles | {one.episode_id: "" for one in ranked}
    return roles | {
        ranked[len(ranked) // 2].episode_id: "median",
        ranked[-1].episode_id: "worst",
        ranked[0].episode_id: "best",
    }


def _merit(episode: Episode) -> tuple[float, float]:
    total = episode.reward.total if episode.reward is not None else None
    rank = human_rank(episode)
    # NaN compares with nothing, so a reward that is no number stands below all that are.
    reward = float("-inf") if total is None or total != total else total
    return reward, rank if rank == rank else -1.0


def _prompt(episode: Episode) -> str:
    """What the conversation held before the model first spoke."""
    texts = []
    for segment in episode.trajectory.segments[:1]:
        for entry in segment.entries:
            if entry.reply is not None:
                break
            texts.append(f"[{entry.message.role}]\n{entry.message.content}")
    return "\n\n".join(texts)


def _turns(episode: Episode) -> Iterator[TurnView]:
    replies: dict[int, ModelReply] = {}
    for segment in episode.trajectory.segments:
        for entry in segment.entries:
            if entry.reply is not None and entry.turn is not None:
                replies.setdefault(entry.turn, entry.reply)
    steps: dict[int, list[Step]] = {}
    for step in episode.trajectory.steps:
        steps.setdefault(step.turn, []).append(step)
    for turn in sorted(replies.keys() | steps.keys()):
        reply = replies.get(turn)
        mine = steps.get(turn, [])
        yield TurnView(
            number=turn + 1,
            thought="" if reply is None else numbers.clip(_thought(reply.text, mine), MAX_THOUGHT),
            cut=reply is not None and reply.finish_reason == "length",
            tokens=0 if reply is None else reply.usage.completion_tokens,
            steps=tuple(map(_step, mine)),
        )


def _thought(text: str, steps: Sequence[Step]) -> str:
    """A reply without the code that stands beside it anyway and without the protocol's tags."""
    for step in steps:
        if step.action.code.strip():
            text = text.replace(step.action.code.strip(), "", 1)
    return re.sub(r"\n{3,}", "\n\n", _TAGS.sub("", text)).strip()


def _step(step: Step) -> StepView:
    grade = step.observation.grade
    return StepView(
        kind=step.action.kind.value,
        code=numbers.clip(step.action.code, MAX_CODE),
        problem=numbers.clip(step.action.problem, MAX_THOUGHT),
        observation=numbers.clip(step.observation.text, MAX_OBSERVATION),
        cell="" if step.observation.cell is None else step.observation.cell.value,
        grade="" if grade is None else verdict(grade),
        medal="" if grade is None else (grade.medal.value if grade.valid else "invalid"),
        wall_s=step.wall_s,
    )
