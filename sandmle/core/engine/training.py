"""Episode in, training sequences out: exactly what the policy was shown and sampled, in OpenRLHF's words. Pure.

One sequence per segment. Nothing is decoded or encoded here: the ids are those of the record.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sandmle.core.types.episode import Episode
from sandmle.core.types.message import ModelReply
from sandmle.core.types.trajectory import Segment


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
    reward = episode.reward.total if episode.reward else None
    made = (
        _sequence(episode.episode_id, number, segment, reward)
        for number, segment in enumerate(episode.trajectory.segments)
    )
    return [one for one in made if one is not None]


def _sequence(episode_id: str, number: int, segment: Segment, reward: float | None) -> TrainingSequence | None:
    tokens: list[int] = []
    log_probs: list[float] = []
    ranges: list[tuple[int, int]] = []
    truncated = False
    for entry in segment.entries:
        if entry.reply is None:
            continue
        where = f"episode {episode_id}, segment {number}, turn {entry.turn}"
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
        episode_id=episode_id,
        segment=number,
        observation_tokens=tuple(tokens),
        action_ranges=tuple(ranges),
        rollout_log_probs=tuple(log_probs),
        reward=reward,
        truncated=truncated,
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
