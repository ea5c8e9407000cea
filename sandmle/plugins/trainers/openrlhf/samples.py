"""What an agent executor hands to the samples generator, and the rows of a batch that become of it. Pure.

OpenRLHF knows one sequence per sample and takes every sample for good. Ours may be several sequences (segments, which
share one advantage), or none: an episode that the infrastructure failed, or one that counts in its group and is not
trained. Both stand in the batch as a row in which no token is trained. Which row is what travels in `extra_logs`, where
OpenRLHF lets numbers pass from the executor to the experience maker untouched: the validity mask and the segment ids.
"""

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean
from typing import Any, Final, TypedDict

from sandmle.core.engine.advantage import Estimator, Verdict, group_advantages
from sandmle.core.engine.training import LOGGED, SegmentDict, logs_of, training_sequences
from sandmle.core.types.episode import Episode
from sandmle.core.types.trajectory import StopReason
from sandmle.plugins.trainers.openrlhf.written import TurnDict, replies_of

VALID: Final = "valid"
"""1 where the row's trajectory enters its group's mean and deviation; 0 where the infrastructure failed it, and in rows
that only fill a batch."""
TRAINED: Final = "trained"
"""1 where the row's sampled tokens are trained."""
GROUP: Final = "group"
"""Number of the row's group within its batch; the trajectories of a group are compared with one another."""
TRAJECTORY: Final = "trajectory"
"""Number of the row's trajectory within its batch."""
SEGMENT: Final = "segment"
"""Number of the row's segment within its trajectory."""
MARKS: Final = (VALID, TRAINED, GROUP, TRAJECTORY, SEGMENT)
NO_GROUP: Final = -1

FILLER_TOKENS: Final = 2
"""Of a row in which nothing is trained: what a log-prob of one token needs."""
FILLER_ID: Final = 0


class Response(TypedDict):
    """What `execute` returns: OpenRLHF's dictionary of the first segment, and beside it what that has no word for."""

    prompt: str
    label: str
    images: None
    mm_train_inputs: None
    observation_tokens: list[int]
    action_ranges: list[tuple[int, int]]
    rollout_log_probs: list[float]
    reward: float | None
    scores: float | None
    truncated: bool
    extra_logs: dict[str, float]
    segments: list[SegmentDict]
    """Every segment in which the policy sampled; empty when nothing is to be trained."""
    written: list[list[TurnDict]]
    """The same segments' replies as recorded, by which the mask audit reads what is trained."""
    failure: str | None
    """Why there is no valid episode, for the record."""
    after: str
    """Kind of the action before the failure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Whose answer a response is, echoed as OpenRLHF wants it."""

    prompt: str
    label: str


def response_of(episode: Episode, asked: Asked, *, masked_stops: Collection[StopReason] = ()) -> Response:
    """An episode that was played to an end, whatever end.

    Args:
        episode: with a reward.
        asked: whose answer it is.
        masked_stops: an episode that ended so counts in its group and is left out of the loss.

    Raises:
        ValueError: a turn has no exact ids, or there is no reward.
    """
    sequences = training_sequences(episode)
    reward = episode.reward.total if episode.reward else None
    if reward is None or not math.isfinite(reward):
        raise ValueError(f"episode {episode.episode_id} has the reward {reward}, which is no finite number")
    trained = bool(sequences) and episode.stop_reason not in masked_stops
    logs = {**logs_of(episode), VALID: 1.0, TRAINED: float(trained)}
    segments = [SegmentDict(**{**one.as_dict(), "extra_logs": logs}) for one in sequences] if trained else []
    return response_with(asked, segments, logs, reward=reward, written=replies_of(episode) if trained else [])


def invalid_response(asked: Asked, failure: str, after: str) -> Response:
    """A slot that the infrastructure failed. Its reward is None: it is left out of its group, never 0."""
    logs = {**dict.fromkeys(LOGGED, 0.0), VALID: 0.0, TRAINED: 0.0}
    return response_with(asked, [], logs, failure=failure, after=after)


def response_with(
    asked: Asked,
    segments: list[SegmentDict],
    logs: dict[str, float],
    *,
    reward: float | None = None,
    written: list[list[TurnDict]] | None = None,
    failure: str | None = None,
    after: str = "none",
) -> Response:
    """An answer of these segments; without any, one in which nothing is trained."""
    first = segments[0] if segments else filler(reward, logs)
    return Response(
        prompt=asked.prompt,
        label=asked.label,
        images=None,
        mm_train_inputs=None,
        segments=segments,
        written=written or [],
        failure=failure,
        after=after,
        **first,
    )


def filler(reward: float | None, logs: Mapping[str, float]) -> SegmentDict:
    """A sequence that stands in for one that is not there. OpenRLHF cannot do with one in which nothing was sampled."""
    return SegmentDict(
        observation_tokens=[FILLER_ID] * FILLER_TOKENS,
        action_ranges=[(FILLER_TOKENS - 1, FILLER_TOKENS)],
        rollout_log_probs=[0.0] * FILLER_TOKENS,
        reward=reward,
        scores=reward,
        truncated=False,
        extra_logs=dict(logs),
    )


def is_valid(response: Mapping[str, Any]) -> bool:
    """Whether the episode counts: the infrastructure did not fail it."""
    return float(response["extra_logs"][VALID]) == 1.0


def rewards_of(responses: Sequence[Mapping[str, Any]]) -> list[float | None]:
    """One per response; None where the infrastructure failed it."""
    return [float(one["reward"]) if is_valid(one) else None for one in responses]


def rows_of(response: Mapping[str, Any], *, group: int, trajectory: int) -> list[dict[str, Any]]:
    """The rows of a batch that a response becomes: one per segment, or one in which nothing is trained.

    The reward of a row without a valid trajectory is NaN, which no statistic would survive that took it in by mistake.
    """
    echoed = {name: response[name] for name in ("prompt", "label", "images", "mm_train_inputs")}
    valid = is_valid(response)
    reward = float(response["reward"]) if valid else math.nan
    segments: Sequence[Mapping[str, Any]] = response["segments"] or [filler(reward, response["extra_logs"])]
    return [
        {
            **echoed,
            **segment,
            "reward": reward,
            "scores": reward,
            "extra_logs": {
                **segment["extra_logs"],
                GROUP: float(group if valid else NO_GROUP),
                TRAJECTORY: float(trajectory),
                SEGMENT: float(number),
            },
        }
        for number, segment in enumerate(segments)
    ]


class GroupVerdict(StrEnum):
    """What becomes of a group once it is played."""

    KEPT = "kept"
    TOO_FEW = "too_few"
    """Fewer than half of its episodes are valid: its slots are played again once, then it is dropped."""
    ZERO_VARIANCE = "zero_variance"
    """All rewards are equal: it teaches nothing and is dropped."""
    FILTERED = "filtered"
    """Its mean reward lies outside the configured range: another task takes its place."""


def judge_group(
    responses: Sequence[Mapping[str, Any]], size: int, filter_range: tuple[float, float] | None = None
) -> GroupVerdict:
    """Judge the episodes of one task.

    Args:
        responses: of the group.
        size: slots of a group, k.
        filter_range: bounds that a mean reward must lie between, both excluded.
    """
    rewards = [one for one in rewards_of(responses) if one is not None]
    verdict = group_advantages(rewards, Estimator.DR_GRPO).verdict
    if 2 * len(rewards) < size or verdict is Verdict.TOO_FEW:
        return GroupVerdict.TOO_FEW
    if filter_range is not None and not filter_range[0] < fmean(rewards) < filter_range[1]:
        return GroupVerdict.FILTERED
    return GroupVerdict.ZERO_VARIANCE if verdict is Verdict.ZERO_VARIANCE else GroupVerdict.KEPT


def refilled(
    first: Sequence[Mapping[str, Any]], second: Sequence[Mapping[str, Any]], size: int
) -> list[Mapping[str, Any]]:
    """The slots of a group that was played twice: its valid episodes as they came, then what was failed again."""
    everyone = [*first, *second]
    # Sorting is stable, and looks at nothing that depends on a reward.
    return sorted(everyone, key=lambda one: not is_valid(one))[:size]


def batch_figures(groups: Sequence[Sequence[Mapping[str, Any]]], verdicts: Sequence[GroupVerdict]) -> dict[str, float]:
    """Figures of a step over all episodes played, each trajectory once; rewards only of valid ones."""
    episodes = [one for group in groups for one in group]
    valid = [one for one in episodes if is_valid(one)]
    failed = [one for one in episodes if not is_valid(one)]
    counts = Counter(verdicts)
    figures = {f"groups/{verdict.value}": counts[verdict] / len(verdicts) for verdict in GroupVerdict if verdicts}
    figures["episodes/played"] = float(len(episodes))
    figures["episodes/infrastructure_rate"] = len(failed) / len(episodes) if episodes else 0.0
    for after, count in sorted(Counter(str(one["after"]) for one in failed).items()):
        figures[f"episodes/infrastructure_after_{after}"] = count / len(episodes)
    if valid:
        figures["episodes/reward"] = fmean(float(one["reward"]) for one in valid)
        for name in LOGGED:
            figures[f"episodes/{name}"] = fmean(float(one["extra_logs"][name]) for one in valid)
    return figures
