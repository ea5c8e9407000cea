"""Episodes in, numbers out: how each agent did, with bootstrap intervals over tasks."""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Final

from sandmle.core.engine.measures import MEASURES, Measure
from sandmle.core.engine.store import FailureRecord
from sandmle.core.types.episode import Episode, Outcome
from sandmle.core.types.report import AgentSummary, Estimate

N_RESAMPLES: Final = 1000
INTERVAL: Final = (0.025, 0.975)
_RNG_SEED: Final = 0
"""Fixed, so that the same episodes always give the same interval."""


def summarize(episodes: Iterable[Episode]) -> list[AgentSummary]:
    """One summary per model, scaffold and feedback mode, in that order.

    Episodes of a task are averaged, then tasks; the interval resamples tasks, since episodes of one task
    are not independent. What the infrastructure failed is left out of every mean and counted by its rate.
    With no episode to speak of, an estimate is NaN over 0 tasks.
    """
    groups: dict[tuple[str, str, str], list[Episode]] = defaultdict(list)
    for episode in episodes:
        groups[episode.model, episode.scaffold, episode.feedback.value].append(episode)
    return [_summary(key, groups[key]) for key in sorted(groups)]


def failure_counts(failures: Iterable[FailureRecord]) -> dict[str, int]:
    """Infrastructure failures by the kind of the action before them, those a retry made good included."""
    return dict(sorted(Counter(failure.after for failure in failures if failure.is_infrastructure).items()))


def failure_rates(failures: Sequence[FailureRecord], episodes: Iterable[Episode]) -> dict[str, float]:
    """Infrastructure failures per action of each kind: a rate that depends on the kind points at its cause.

    Actions are those of finished episodes and those that failed; the kind `none` (a failure before any
    action) is per attempt. Kinds that never failed are there with 0.
    """
    finished = [episode for episode in episodes if episode.outcome is not Outcome.INFRASTRUCTURE]
    failed = failure_counts(failures)
    begun = Counter(step.action.kind.value for episode in finished for step in episode.trajectory.steps)
    begun.update(failed)
    begun["none"] = len(finished) + sum(failure.is_infrastructure for failure in failures)
    return {kind: failed.get(kind, 0) / count for kind, count in sorted(begun.items()) if count}


def estimate(by_task: Mapping[str, Sequence[float]]) -> Estimate:
    """Mean over tasks of the mean over a task's values, with its percentile bootstrap interval over tasks.

    Tasks without a value do not count; without any, all numbers are NaN.
    """
    means = [fmean(values) for _, values in sorted(by_task.items()) if values]
    if not means:
        nan = float("nan")
        return Estimate(mean=nan, low=nan, high=nan, tasks=0)
    rng = random.Random(_RNG_SEED)
    resampled = sorted(fmean(rng.choices(means, k=len(means))) for _ in range(N_RESAMPLES))
    low, high = (resampled[min(N_RESAMPLES - 1, int(share * N_RESAMPLES))] for share in INTERVAL)
    return Estimate(mean=fmean(means), low=low, high=high, tasks=len(means))


def _summary(key: tuple[str, str, str], episodes: Sequence[Episode]) -> AgentSummary:
    model, scaffold, feedback = key
    counting = [episode for episode in episodes if episode.outcome is not Outcome.INFRASTRUCTURE]

    def over_tasks(measure: Measure) -> Estimate:
        by_task: dict[str, list[float]] = defaultdict(list)
        for episode in counting:
            value = measure(episode)
            if value is not None:
                by_task[episode.task_id].append(value)
        return estimate(by_task)

    return AgentSummary(
        model=model,
        scaffold=scaffold,
        feedback=feedback,
        episodes=len(episodes),
        infrastructure_rate=1 - len(counting) / len(episodes),
        **{name: over_tasks(measure) for name, measure in MEASURES.items()},
    )
