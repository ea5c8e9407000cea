"""Episodes in, means and intervals out: the bootstrap resamples rule families, then tasks, then episodes."""

import math
import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from sandmle.core.engine.store import read_episodes
from sandmle.core.engine.tasks import list_tasks
from sandmle.core.types.episode import Outcome
from sandmle.core.types.score import Medal

RESAMPLES = 2000
INTERVAL = (0.025, 0.975)
MEASURES = ("medal", "gold", "valid", "human_rank", "turns", "cells", "tokens")
SHARES = 4
"""The first so many measures are shares; the others are counts per episode."""
NAN = float("nan")

Tree = Mapping[str, Mapping[str, Sequence[float]]]
"""Values by family and task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """One episode, or one program on one task."""

    family: str
    task_id: str
    medal: float
    valid: float
    human_rank: float
    gold: float = 0.0
    turns: float = NAN
    cells: float = NAN
    """Run in the sandbox, the look at the files included."""
    tokens: float = NAN
    """Sampled by a policy that counts them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A mean over tasks of the mean over their episodes, with its percentile interval."""

    mean: float
    low: float
    high: float


def read_played(run: Path, tasks: Path) -> list[Played]:
    """Episodes of a run; what the infrastructure failed is left out."""
    families = {task.spec.task_id: task.spec.rule_family for task in list_tasks(tasks)}
    played = []
    for episode in read_episodes(run):
        if episode.outcome is Outcome.INFRASTRUCTURE:
            continue
        grade, replies = episode.grade, episode.trajectory.replies()
        sampled = [len(reply.sampled_ids) for reply in replies if reply.sampled_ids is not None]
        valid = grade is not None and grade.valid
        played.append(
            Played(
                family=families[episode.task_id],
                task_id=episode.task_id,
                medal=float(grade is not None and grade.medal is not Medal.NONE),
                gold=float(grade is not None and grade.medal is Medal.GOLD),
                valid=float(valid),
                human_rank=(grade.human_rank or 0.0) if grade is not None and valid else 0.0,
                turns=float(len(replies)),
                cells=float(sum(step.observation.cell is not None for step in episode.trajectory.steps)),
                tokens=float(sum(sampled)) if sampled else NAN,
            )
        )
    return played


def pooled(seeds: Sequence[Sequence[Played]]) -> list[Played]:
    """The same arm on several seeds, as if its tasks were those of one split: families of one name are one family."""
    return [replace(one, task_id=f"{seed}/{one.task_id}") for seed, played in enumerate(seeds) for one in played]


def tree(played: Iterable[Played], measure: str) -> Tree:
    """One measure by family and task."""
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for one in played:
        found[one.family][one.task_id].append(getattr(one, measure))
    return found


def interval(played: Sequence[Played], measure: str) -> Interval:
    """Of one arm."""
    values = tree(played, measure)
    [means] = resampled([values])
    return _interval(_mean(values), means)


def difference(played: Sequence[Played], base: Sequence[Played], measure: str = "medal") -> Interval:
    """Of two arms on the same tasks, paired by family and task; episodes are drawn for each arm on its own.

    Raises:
        ValueError: the tasks differ.
    """
    ours, theirs = tree(played, measure), tree(base, measure)
    first, second = resampled([ours, theirs])
    return _interval(_mean(ours) - _mean(theirs), [a - b for a, b in zip(first, second, strict=True)])


def resampled(arms: Sequence[Tree], seed: int = 0) -> list[list[float]]:
    """Means of each arm on the same resamples of families and tasks.

    Raises:
        ValueError: the arms are not on the same tasks.
    """
    names = {family: sorted(tasks) for family, tasks in sorted(arms[0].items())}
    if any({family: sorted(tasks) for family, tasks in sorted(arm.items())} != names for arm in arms):
        raise ValueError("only arms on the same tasks can be compared")
    rng = random.Random(seed)
    found: list[list[float]] = [[] for _ in arms]
    for _ in range(RESAMPLES):
        drawn = [
            (family, task)
            for family in rng.choices(list(names), k=len(names))
            for task in rng.choices(names[family], k=len(names[family]))
        ]
        for arm, means in zip(arms, found, strict=True):
            means.append(fmean(fmean(_drawn(arm[family][task], rng)) for family, task in drawn))
    return found


def _drawn(values: Sequence[float], rng: random.Random) -> Sequence[float]:
    return values if len(values) == 1 else rng.choices(values, k=len(values))


def _mean(values: Tree) -> float:
    return fmean(fmean(episodes) for tasks in values.values() for episodes in tasks.values())


def _interval(mean: float, means: Sequence[float]) -> Interval:
    if not math.isfinite(mean):
        return Interval(mean=NAN, low=NAN, high=NAN)
    ordered = sorted(means)
    low, high = (ordered[min(len(ordered) - 1, int(share * len(ordered)))] for share in INTERVAL)
    return Interval(mean=mean, low=low, high=high)


def summary(played: Sequence[Played]) -> dict[str, Any]:
    """All measures of one arm, with how many families, tasks and episodes they are over."""
    return {
        "families": len({one.family for one in played}),
        "tasks": len({one.task_id for one in played}),
        "episodes": len(played),
        **{measure: interval(played, measure) for measure in MEASURES},
    }
