"""Episodes as conversations: one per segment, ending with the last thing the policy said. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sandmle.core.engine.summary import json_ready
from sandmle.core.engine.training import TrainingSequence, training_sequences
from sandmle.core.types.episode import Episode
from sandmle.core.types.message import Message
from sandmle.core.types.trajectory import TranscriptEntry
from sandmle.plugins.exchange.trajectories.selecting import Chosen


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """One segment, without what was shown after the last reply: nothing answers it."""

    run: str
    episode: Episode
    segment: int
    entries: tuple[TranscriptEntry, ...]
    exact: TrainingSequence | None
    """The token ids as sampled; None unless they were asked for."""

    def prompt(self) -> tuple[TranscriptEntry, ...]:
        """What stood there before the policy first spoke."""
        first = next(at for at, entry in enumerate(self.entries) if entry.reply is not None)
        return self.entries[:first]

    def about(self) -> dict[str, Any]:
        """Where it comes from and what it came to, fit for JSON."""
        episode = self.episode
        grade, reward = episode.grade, episode.reward
        return {
            "run": self.run,
            "episode_id": episode.episode_id,
            "task_id": episode.task_id,
            "slot": episode.slot,
            "segment": self.segment,
            "model": episode.model,
            "scaffold": episode.scaffold,
            "policy_version": episode.policy_version,
            "feedback": episode.feedback.value,
            "outcome": episode.outcome.value,
            "stop_reason": episode.stop_reason.value if episode.stop_reason else None,
            "medal": grade.medal.value if grade else None,
            "score": json_ready(grade.score) if grade else None,
            "human_rank": json_ready(grade.human_rank) if grade else None,
            "reward": json_ready(reward.total) if reward else None,
            "reward_preset": reward.preset if reward else None,
        }


def conversations(chosen: Chosen, *, ids: bool) -> Iterator[Conversation]:
    """The segments in which the policy spoke.

    Args:
        chosen: an episode and its run.
        ids: have the token ids with each.

    Raises:
        ValueError: with `ids`, an episode that was not recorded token by token; the message says where.
    """
    episode = chosen.episode
    exact = {one.segment: one for one in training_sequences(episode)} if ids else {}
    for number, segment in enumerate(episode.trajectory.segments):
        spoken = [at for at, entry in enumerate(segment.entries) if entry.reply is not None]
        if spoken:
            yield Conversation(
                run=chosen.run,
                episode=episode,
                segment=number,
                entries=segment.entries[: spoken[-1] + 1],
                exact=exact.get(number),
            )


def chat_message(message: Message) -> dict[str, Any]:
    """A message as the chat-completions API writes it; thoughts kept apart come as `reasoning_content`."""
    made: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.reasoning is not None:
        made["reasoning_content"] = message.reasoning.text
    if message.tool_calls:
        made["tool_calls"] = [
            {"id": call.call_id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        made["tool_call_id"] = message.tool_call_id
    return made


def exact_columns(exact: TrainingSequence) -> dict[str, Any]:
    """Token ids as sampled, the names being those of OpenRLHF's agent executor; nothing is encoded anew."""
    return {
        "observation_tokens": list(exact.observation_tokens),
        "action_ranges": [list(pair) for pair in exact.action_ranges],
        "rollout_log_probs": list(exact.rollout_log_probs),
        "loss_mask": [int(sampled) for sampled in exact.action_mask()],
        "truncated": exact.truncated,
    }
