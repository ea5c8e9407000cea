"""Which tasks a step plays, and what its groups come to."""

import random
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from sandmle.core.engine.advantage import Estimator, GroupAdvantages, Verdict, group_advantages
from sandmle.core.engine.recording import derived
from sandmle.core.engine.tasks import Task
from sandmle.core.engine.training import training_sequences
from sandmle.core.types.episode import Episode, Outcome
from sandmle.core.types.score import Medal
from sandmle.core.types.trajectory import StopReason
from sandmle.plugins.trainers.local.batches import Weighted


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Episodes of one task under one policy version."""

    episodes: tuple[Episode, ...]
    judged: GroupAdvantages

    @property
    def kept(self) -> bool:
        return self.judged.verdict is Verdict.KEPT

    @property
    def counting(self) -> int:
        """Episodes that have a reward."""
        return sum(reward is not None for reward in _rewards(self.episodes))


def judge(episodes: Sequence[Episode], estimator: Estimator, size: int | None = None) -> Group:
    """A group with its advantages; episodes that the infrastructure failed have no reward and enter nothing.

    Args:
        episodes: of one task.
        estimator: makes advantages of rewards.
        size: of a whole group; one that has fewer than half of it left is too small. By default as many as are given.
    """
    rewards = _rewards(episodes)
    judged = group_advantages(rewards, estimator)
    if 2 * sum(reward is not None for reward in rewards) < (size or len(episodes)):
        judged = GroupAdvantages(verdict=Verdict.TOO_FEW, advantages=(None,) * len(rewards))
    return Group(episodes=tuple(episodes), judged=judged)


def _rewards(episodes: Iterable[Episode]) -> list[float | None]:
    return [episode.reward.total if episode.reward else None for episode in episodes]


def weighted(
    groups: Iterable[Group], *, mask_truncated: bool, masked_stops: Collection[StopReason] = ()
) -> list[Weighted]:
    """Every sequence of the kept groups with its trajectory's advantage.

    Args:
        groups: with their advantages.
        mask_truncated: leave out sequences whose last turn was cut by the token limit.
        masked_stops: leave out episodes that ended so.

    Raises:
        ValueError: an episode has no exact token ids.
    """
    return [
        Weighted(sequence=sequence, advantage=advantage)
        for group in groups
        for episode, advantage in zip(group.episodes, group.judged.advantages, strict=True)
        if advantage is not None and episode.stop_reason not in masked_stops
        for sequence in training_sequences(episode)
        if not (mask_truncated and sequence.truncated)
    ]


def order_of(tasks: Sequence[Task], step: int, per_step: int, rng_seed: int) -> list[Task]:
    """The tasks in the order in which a step takes them: first its own, then those it may refill from.

    Steps walk through one shuffled pass over all tasks after another, so that none is seen much more than others.
    """
    by_id = {task.spec.task_id: task for task in sorted(tasks, key=lambda one: one.spec.task_id)}
    passed = (step - 1) * per_step
    chosen: dict[str, None] = {}
    while len(chosen) < min(per_step, len(by_id)):
        turn, at = divmod(passed, len(by_id))
        names = list(by_id)
        random.Random(derived(rng_seed, "tasks", turn)).shuffle(names)
        chosen.setdefault(names[at])
        passed += 1
    spare = [name for name in by_id if name not in chosen]
    random.Random(derived(rng_seed, "refill", step)).shuffle(spare)
    return [by_id[name] for name in (*chosen, *spare)]


def group_metrics(groups: Sequence[Group]) -> dict[str, Any]:
    """What a step's episodes came to, refilled ones included; means are over what the infrastructure did not fail."""
    episodes = [episode for group in groups for episode in group.episodes]
    counting = [episode for episode in episodes if episode.outcome is not Outcome.INFRASTRUCTURE]
    verdicts = Counter(group.judged.verdict for group in groups)
    rewards = [e.reward.total for e in counting if e.reward is not None and e.reward.total is not None]

    def share(values: Iterable[bool]) -> float | None:
        found = list(values)
        return sum(found) / len(found) if found else None

    return {
        "groups": len(groups),
        "kept_groups": verdicts[Verdict.KEPT],
        "zero_variance": verdicts[Verdict.ZERO_VARIANCE] / len(groups),
        "too_few": verdicts[Verdict.TOO_FEW] / len(groups),
        "episodes": len(episodes),
        "infrastructure_rate": 1 - len(counting) / len(episodes),
        "reward": fmean(rewards) if rewards else None,
        "valid": share(e.outcome is Outcome.SCORED for e in counting),
        "any_medal": share(e.grade is not None and e.grade.medal is not Medal.NONE for e in counting),
        "gold": share(e.grade is not None and e.grade.medal is Medal.GOLD for e in counting),
        "turns": fmean(len(e.trajectory.replies()) for e in counting) if counting else None,
        "stops": dict(sorted(Counter(str(e.stop_reason) for e in counting).items())),
    }


def updates_behind(groups: Iterable[Group], version: int) -> float | None:
    """Updates since the kept episodes were sampled, in the mean; None where none is kept."""
    found = [version - episode.policy_version for group in groups if group.kept for episode in group.episodes]
    return fmean(found) if found else None
