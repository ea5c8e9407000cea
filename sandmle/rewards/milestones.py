"""Milestones: one named thing each that an episode did or did not reach. Weighing them is `core/engine/scoring.py`."""

from collections.abc import Callable
from dataclasses import dataclass

from sandmle.core.types.episode import Episode
from sandmle.core.types.message import ModelReply
from sandmle.core.types.sandbox import CellStatus
from sandmle.core.types.score import Medal

THINK_OPEN, THINK_CLOSE = "<think>", "</think>"

AT_LEAST_BRONZE = frozenset({Medal.GOLD, Medal.SILVER, Medal.BRONZE})
AT_LEAST_SILVER = frozenset({Medal.GOLD, Medal.SILVER})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """A milestone that is a pure function of the episode."""

    name: str
    judge: Callable[[Episode], float | None]

    def value(self, episode: Episode) -> float | None:
        return self.judge(episode)


def format_share(episode: Episode) -> float:
    """Share of the policy's replies that think first: they start with `<think>`, close it, and thought something.

    A thought that the provider gave apart from the text counts as well.

    As in SandMLE's released reward, which says nothing about whether the action was well formed. An
    episode without any reply gives 0.
    """
    replies = episode.trajectory.replies()
    if not replies:
        return 0.0
    return sum(_thinks_first(reply) for reply in replies) / len(replies)


def executed(episode: Episode) -> float:
    """1 when the agent's code ran to a result: some cell ended without an error and the submission is valid.

    The SandMLE paper pays its execution indicator only to solutions that yield a score, hence the second half.
    """
    ran = any(step.observation.cell is CellStatus.OK for step in episode.trajectory.steps)
    return float(ran and valid(episode) == 1.0)


def valid(episode: Episode) -> float:
    """1 when the final submission is valid."""
    return float(episode.grade is not None and episode.grade.valid)


def median(episode: Episode) -> float:
    """1 when the final score reaches the board's median. Inclusive, as in SandMLE's released reward.

    Reports say `above_median`, which is strict, as in MLE-bench.
    """
    grade = episode.grade
    if grade is None or grade.score is None:
        return 0.0
    reached = grade.score == episode.thresholds.median
    return float(reached or episode.direction.better(grade.score, episode.thresholds.median))


def bronze(episode: Episode) -> float:
    """1 for a bronze medal or better."""
    return _medal_among(episode, AT_LEAST_BRONZE)


def silver(episode: Episode) -> float:
    """1 for a silver medal or better."""
    return _medal_among(episode, AT_LEAST_SILVER)


def gold(episode: Episode) -> float:
    """1 for a gold medal."""
    return _medal_among(episode, frozenset({Medal.GOLD}))


def _medal_among(episode: Episode, medals: frozenset[Medal]) -> float:
    return float(episode.grade is not None and episode.grade.medal in medals)


def _thinks_first(reply: ModelReply) -> bool:
    # What a provider gives apart was in the tags of a model that has such.
    if reply.reasoning is not None and reply.reasoning.text.strip():
        return True
    opened = reply.text.strip()
    if not opened.startswith(THINK_OPEN):
        return False
    body, close, _ = opened.removeprefix(THINK_OPEN).partition(THINK_CLOSE)
    return bool(close) and bool(body.strip())


def milestones() -> tuple[Reached, ...]:
    """All of them, in the order an episode can reach them."""
    return (
        Reached(name="format", judge=format_share),
        Reached(name="execute", judge=executed),
        Reached(name="valid", judge=valid),
        Reached(name="median", judge=median),
        Reached(name="bronze", judge=bronze),
        Reached(name="silver", judge=silver),
        Reached(name="gold", judge=gold),
    )
