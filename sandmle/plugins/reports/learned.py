"""What training came to: policies and controls on held-out tasks, their differences, and one task before and after.

Nothing here is picked for looking good: the task that is shown is the one whose change in reward is nearest to the
mean change, and of each policy the episode whose reward is nearest to its mean there.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

from sandmle.core.engine.measures import reward_of, tree
from sandmle.core.engine.nested import common, nested_difference, verdict
from sandmle.core.errors import UsageError
from sandmle.core.types.episode import Episode, Outcome
from sandmle.core.types.report import Estimate
from sandmle.plugins.reports.arms import LOCAL, MEASURES, Arm, read_arms
from sandmle.plugins.reports.results import AgentView
from sandmle.plugins.reports.runs import RunView, read_run
from sandmle.plugins.reports.training import TrainingView, read_training


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """The last policy minus another arm, on the tasks that both played."""

    over: Arm
    estimates: Mapping[str, Estimate]

    def verdict(self, measure: str) -> str:
        """What the interval allows to say, in words."""
        return verdict(self.estimates[measure])


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One held-out task, before and after."""

    task_id: str
    before: tuple[AgentView, Episode]
    after: tuple[AgentView, Episode]
    change: float
    """In mean reward, on this task."""
    mean_change: float
    """Over all tasks that both policies played."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedView:
    """Everything the page says about training."""

    trainings: tuple[TrainingView, ...]
    arms: tuple[Arm, ...]
    """Policies in the order of their trainings, then controls."""
    gaps: tuple[Gap, ...]
    pair: Pair | None
    notes: tuple[str, ...]

    @property
    def last(self) -> Arm | None:
        """The policy of the last training that was played."""
        policies = [arm for arm in self.arms if arm.training is not None]
        return policies[-1] if policies else None


def read_learned(
    training_dirs: Sequence[Path], held_out_dirs: Sequence[Path], families: Mapping[str, str]
) -> LearnedView | None:
    """Read trainings and the runs that measure their policies; None when none was named.

    Args:
        training_dirs: output directories of trainers, in the order in which one started from the other.
        held_out_dirs: run directories of policies and controls on held-out tasks.
        families: task to its rule family, of the tasks that are known.

    Raises:
        UsageError: a directory cannot be read as what it was named as, or one was named twice.
    """
    for option, folders in (("--training", training_dirs), ("--held-out", held_out_dirs)):
        if len({folder.resolve() for folder in folders}) < len(folders):
            raise UsageError(f"{option} names the same directory twice")
    if held_out_dirs and not training_dirs:
        raise UsageError("--held-out needs --training: name what was trained, or use --run for these runs")
    if not training_dirs:
        return None
    trainings = _titled([read_training(folder) for folder in training_dirs])
    runs = [read_run(folder) for folder in held_out_dirs]
    arms = read_arms(trainings, runs, families)
    policies = [arm for arm in arms if arm.training is not None]
    return LearnedView(
        trainings=trainings,
        arms=arms,
        gaps=_gaps(policies[-1], arms, families) if policies else (),
        pair=_pair(policies[0], policies[-1]) if len(policies) > 1 else None,
        notes=tuple(_notes(trainings, runs, arms)),
    )


def _titled(trainings: Sequence[TrainingView]) -> tuple[TrainingView, ...]:
    """Where two have the same method, each is named with its directory."""
    methods = [one.method for one in trainings]
    return tuple(
        one if methods.count(one.method) == 1 else replace(one, title=f"{one.title} ({one.name})") for one in trainings
    )


def _gaps(last: Arm, arms: Sequence[Arm], families: Mapping[str, str]) -> tuple[Gap, ...]:
    found = []
    for other in arms:
        shared = last.task_ids & other.task_ids
        if other is last or not shared:
            continue
        estimates = {}
        for measure in MEASURES:
            ours, theirs = (
                tree([one for one in arm.agent.episodes if one.task_id in shared], measure, families)
                for arm in (last, other)
            )
            estimates[measure] = nested_difference(*common(ours, theirs))
        found.append(Gap(over=other, estimates=estimates))
    return tuple(found)


def _pair(before: Arm, after: Arm) -> Pair | None:
    rewards = [_rewards(arm) for arm in (before, after)]
    shared = sorted(rewards[0].keys() & rewards[1].keys())
    if not shared:
        return None
    change = {task_id: fmean(rewards[1][task_id].values()) - fmean(rewards[0][task_id].values()) for task_id in shared}
    mean_change = fmean(change.values())
    # Of equals, where more was earned: there more can be seen.
    earned = {task_id: sum(fmean(arm[task_id].values()) for arm in rewards) for task_id in shared}
    task_id = min(shared, key=lambda one: (round(abs(change[one] - mean_change), 6), -earned[one], one))
    return Pair(
        task_id=task_id,
        before=(before.agent, _typical(before, rewards[0][task_id])),
        after=(after.agent, _typical(after, rewards[1][task_id])),
        change=change[task_id],
        mean_change=mean_change,
    )


def _rewards(arm: Arm) -> dict[str, dict[str, float]]:
    """Task to the reward of each of its episodes."""
    found: dict[str, dict[str, float]] = {}
    for one in arm.agent.episodes:
        value = reward_of(one)
        if value is not None and math.isfinite(value):
            found.setdefault(one.task_id, {})[one.episode_id] = value
    return found


def _typical(arm: Arm, rewards: Mapping[str, float]) -> Episode:
    mean = fmean(rewards.values())
    chosen = min(rewards, key=lambda one: (abs(rewards[one] - mean), one))
    return next(one for one in arm.agent.episodes if one.episode_id == chosen)


def _notes(trainings: Sequence[TrainingView], runs: Sequence[RunView], arms: Sequence[Arm]) -> list[str]:
    lines = [
        f"Training {one.title} is incomplete: {len(one.steps)} of {one.wanted} {one.unit}s are recorded."
        for one in trainings
        if not one.complete
    ]
    lines += [
        f"Run {run.name} is incomplete: {len(run.episodes)} of {run.expected} episodes are recorded."
        for run in runs
        if not run.complete
    ]
    trained = {task_id for one in trainings for task_id in one.tasks}
    seen = sorted({task_id for arm in arms for task_id in arm.task_ids} & trained)
    if seen:
        lines.append(f"{len(seen)} of the tasks below were trained on, such as {seen[0]}: they are not held out.")
    if arms and any(arm.training is None and arm.agent.summary.model.startswith(LOCAL) for arm in arms):
        lines.append("A local policy below comes from none of the trainings given, so it stands among the controls.")
    if any(arm.families is None for arm in arms):
        lines.append("Not all tasks are in the corpus given (--tasks): each unknown one counts as its own rule family.")
    lost = sum(one.outcome is Outcome.INFRASTRUCTURE for run in runs for one in run.episodes)
    if lost:
        lines.append(f"{lost} episodes were lost to the infrastructure: in no mean, and never a reward of 0.")
    if len({arm.task_ids for arm in arms}) > 1:
        lines.append("Not all played the same tasks; differences are over those that both of a pair played.")
    return lines
