"""Episode in, training sequences out: exactly what the policy was shown and sampled, in OpenRLHF's words. Pure.

One sequence per segment. Nothing is decoded or encoded here: the ids are those of the record.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypedDict

from sandmle.core.types.episode import Episode, Outcome
from sandmle.core.types.message import ModelReply
from sandmle.core.types.score import Medal
from sandmle.core.types.trajectory import Segment

LOGGED: Final = (
    *("valid_submission", "any_medal", "gold"),
    *("turns", "steps", "segments", "sampled_tokens", "episode_s", "sandbox_s"),
)
"""Keys of `extra_logs`, the same in every dictionary: OpenRLHF cannot batch trajectories that differ in them."""


class SegmentDict(TypedDict):
    """What an agent executor of OpenRLHF gives for a trajectory; here, for one segment of it."""

    observation_tokens: list[int]
    action_ranges: list[tuple[int, int]]
    rollout_log_probs: list[float]
    reward: float | None
    scores: float | None
    truncated: bool
    extra_logs: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSequence:
    """One conversation that only grew, as token ids. The names are those of OpenRLHF's agent executor."""

    episode_id: str
    segment: int
    """Index within the trajectory; its segments share one advantage."""
    observation_tokens: tuple[int, ...]
    """Everything: the prompt, what the policy sampled, what it was shown in return."""
    action_ranges: tuple[tuple[int, int], ...]
    """[start, end) of each turn sampled by the policy: the only tokens that are trained."""
    rollout_log_probs: tuple[float, ...]
    """As long as `observation_tokens`; 0.0 on what the policy did not sample."""
    reward: float | None
    """Of the whole trajectory; None when it has none, which is not 0."""
    truncated: bool
    """The last turn was cut by the token limit."""
    extra_logs: Mapping[str, float] = field(default_factory=dict, compare=False)
    """What is logged of the trajectory: `LOGGED`, where it comes from an episode."""

    def as_dict(self) -> SegmentDict:
        """The same in plain containers. The score, by which OpenRLHF filters groups, is the reward."""
        return SegmentDict(
            observation_tokens=list(self.observation_tokens),
            action_ranges=list(self.action_ranges),
            rollout_log_probs=list(self.rollout_log_probs),
            reward=self.reward,
            scores=self.reward,
            truncated=self.truncated,
            extra_logs=dict(self.extra_logs),
        )

    def action_mask(self) -> list[bool]:
        """Whether each of `observation_tokens` was sampled by the policy."""
        mask = [False] * len(self.observation_tokens)
        for start, end in self.action_ranges:
            mask[start:end] = [True] * (end - start)
        return mask


def training_sequences(episode: Episode) -> list[TrainingSequence]:
    """What is to be trained of an episode; segments in which nothing was sampled give none.

    Raises:
        ValueError: a turn has no ids or not one log-prob per id, or its prompt does not extend what was
            before it in its segment; the message names episode and turn.
    """
    logged = logs_of(episode)
    made = (_sequence(episode, number, segment, logged) for number, segment in enumerate(episode.trajectory.segments))
    return [one for one in made if one is not None]


def logs_of(episode: Episode) -> dict[str, float]:
    """What is logged of an episode, one number per key of `LOGGED`, whatever came of it."""
    medal = episode.grade.medal if episode.grade else Medal.NONE
    replies = episode.trajectory.replies()
    numbers = (
        *(episode.outcome is Outcome.SCORED, medal is not Medal.NONE, medal is Medal.GOLD),
        *(len(replies), len(episode.trajectory.steps), len(episode.trajectory.segments)),
        *(sum(len(reply.sampled_ids or ()) for reply in replies), episode.timings.total_s, episode.timings.run_s),
    )
    return dict(zip(LOGGED, map(float, numbers), strict=True))


def _sequence(episode: Episode, number: int, segment: Segment, logged: Mapping[str, float]) -> TrainingSequence | None:
    tokens: list[int] = []
    log_probs: list[float] = []
    ranges: list[tuple[int, int]] = []
    truncated = False
    for entry in segment.entries:
        if entry.reply is None:
            continue
        where = f"episode {episode.episode_id}, segment {number}, turn {entry.turn}"
        prompt, sampled, sampled_log_probs = _exact(entry.reply, where)
        if list(prompt[: len(tokens)]) != tokens:
            raise ValueError(f"{where}: its prompt does not extend the {len(tokens)} tokens before it")
        start = len(prompt)
        tokens = [*prompt, *sampled]
        log_probs += [0.0] * (start - len(log_probs))
        log_probs += sampled_log_probs
        ranges.append((start, len(tokens)))
        truncated = entry.reply.finish_reason == "length"
    if not ranges:
        return None
    return TrainingSequence(
        episode_id=episode.episode_id,
        segment=number,
        observation_tokens=tuple(tokens),
        action_ranges=tuple(ranges),
        rollout_log_probs=tuple(log_probs),
        reward=episode.reward.total if episode.reward else None,
        truncated=truncated,
        extra_logs=logged,
    )


def _exact(reply: ModelReply, where: str) -> tuple[Sequence[int], Sequence[int], Sequence[float]]:
    prompt, sampled, log_probs = reply.prompt_ids, reply.sampled_ids, reply.log_probs
    if prompt is None or sampled is None or log_probs is None:
        raise ValueError(f"{where}: it has no token ids; only episodes of a token-exact model can be trained on")
    if not prompt or not sampled or len(log_probs) != len(sampled):
        raise ValueError(
            f"{where}: {len(prompt)} prompt ids, {len(sampled)} sampled ids and {len(log_probs)} log-probs do not fit"
        )
    return prompt, sampled, log_probs
