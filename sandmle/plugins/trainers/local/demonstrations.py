"""Stored episodes of other agents as sequences to imitate.

The one place where text is encoded for training: what the policy itself wrote is never encoded.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sandmle.core.contracts.policy import TrainablePolicy
from sandmle.core.engine.store import read_episodes
from sandmle.core.engine.training import TrainingSequence
from sandmle.core.errors import RunError
from sandmle.core.types.episode import Episode, Outcome
from sandmle.core.types.score import Medal
from sandmle.core.types.trajectory import Segment
from sandmle.plugins.trainers.local.batches import Weighted


@dataclass(frozen=True, slots=True, kw_only=True)
class Demonstrations:
    """What there is to learn from, and what was left out."""

    episodes: tuple[Episode, ...]
    other_tasks: int
    """Left out: not of the training tasks."""
    not_kept: int
    """Left out: the infrastructure's failures, and those below what is to be kept."""


def read_demonstrations(runs: Sequence[Path], task_ids: Iterable[str], keep: str) -> Demonstrations:
    """Read run directories, one after another; the order in which their episodes ended makes no difference.

    Args:
        runs: run directories.
        task_ids: of the training tasks; nothing else is ever learned from.
        keep: `all`, `valid` or `medal`.

    Raises:
        RunError: a directory cannot be read, or nothing is left.
    """
    known = set(task_ids)
    found: list[Episode] = []
    other_tasks = not_kept = 0
    for run in runs:
        # A run keeps episodes as they ended, which hangs on load; what is learned from them must not.
        for episode in sorted(read_episodes(run), key=lambda one: (one.task_id, one.slot)):
            if episode.task_id not in known:
                other_tasks += 1
            elif episode.outcome is Outcome.INFRASTRUCTURE or not _is_kept(episode, keep):
                not_kept += 1
            else:
                found.append(episode)
    if not found:
        raise RunError(
            f"no demonstration is left of {', '.join(map(str, runs)) or 'no run directory'}: {other_tasks} are of "
            f"other tasks than the training tasks, {not_kept} are not {keep!r} or were failed by the infrastructure"
        )
    return Demonstrations(episodes=tuple(found), other_tasks=other_tasks, not_kept=not_kept)


def texts_by_task(episodes: Iterable[Episode]) -> list[str]:
    """Every distinct message, once per task, so that one task's own words never look frequent."""
    seen: dict[tuple[str, str], None] = {}
    for episode in episodes:
        for segment in episode.trajectory.segments:
            for entry in segment.entries:
                seen.setdefault((episode.task_id, entry.message.content))
    return [content for _, content in seen]


def imitation_sequences(policy: TrainablePolicy, episodes: Iterable[Episode]) -> tuple[list[Weighted], int]:
    """Sequences in which the author's turns are trained, and how many did not fit the context."""
    made: list[Weighted] = []
    too_long = 0
    for number, episode in enumerate(episodes):
        for index, segment in enumerate(episode.trajectory.segments):
            sequence = _encoded(policy, f"{number:06d}/{episode.episode_id}", index, segment)
            if sequence is None:
                continue
            if len(sequence.observation_tokens) > policy.context_tokens:
                too_long += 1
                continue
            made.append(Weighted(sequence=sequence, advantage=1.0))
    return made, too_long


def _encoded(policy: TrainablePolicy, name: str, index: int, segment: Segment) -> TrainingSequence | None:
    tokens = list(policy.begin_ids)
    ranges: list[tuple[int, int]] = []
    for entry in segment.entries:
        message = policy.encode(entry.message)
        if entry.reply is not None:
            ranges.append((len(tokens) + message.start, len(tokens) + message.end))
        tokens += message.ids
    if not ranges:
        return None
    # Nothing is shown after the last turn, so nothing after it is there to be read.
    tokens = tokens[: ranges[-1][1]]
    return TrainingSequence(
        episode_id=name,
        segment=index,
        observation_tokens=tuple(tokens),
        action_ranges=tuple(ranges),
        rollout_log_probs=(0.0,) * len(tokens),
        reward=None,
        truncated=False,
    )


def _is_kept(episode: Episode, keep: str) -> bool:
    match keep:
        case "medal":
            return episode.grade is not None and episode.grade.medal is not Medal.NONE
        case "valid":
            return episode.outcome is Outcome.SCORED
        case _:
            return True
