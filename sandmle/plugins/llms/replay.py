"""A recorded run as a model: `replay/RUN` answers each call with what was answered at its place then.

A run directory holds all that is needed: nothing has to be switched on beforehand, no server and no key are asked.
"""

import hashlib
import json
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from sandmle.core.engine.recording import derived
from sandmle.core.engine.store import read_config, read_episodes
from sandmle.core.errors import ConfigError, ProviderError, RunError
from sandmle.core.types.episode import Episode
from sandmle.core.types.message import Message, ModelReply, ReplyOptions
from sandmle.core.types.trajectory import StopReason
from sandmle.plugins.llms.config import ReplayConfig

PREFIX: Final = "replay/"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Recorded:
    conversation: str | None
    """Digest of the conversation it answered; None for the end of an episode whose context was full."""
    reply: ModelReply


class ReplayProvider:
    """Opens `replay/RUN`."""

    def __init__(self, config: ReplayConfig) -> None:
        self._config = config

    def open_model(self, model: str) -> "ReplayModel":
        """Read a recorded run.

        Raises:
            ConfigError: the path holds no run that can be replayed.
        """
        path = Path(model.removeprefix(PREFIX)).expanduser()
        try:
            rng_seed = int(read_config(path)["run"]["rng_seed"])
            recorded: defaultdict[int, list[_Recorded]] = defaultdict(list)
            for episode in read_episodes(path):
                for index, one in _calls_of(episode, rng_seed):
                    recorded[index].append(one)
        except (RunError, KeyError, TypeError, ValueError) as problem:
            raise ConfigError(f"no model {model!r}: {problem}; name the directory of a run, replay/RUN") from problem
        if not recorded:
            raise ConfigError(f"no model {model!r}: no reply is recorded in {path}")
        return ReplayModel(model, recorded, rng_seed, self._config)


class ReplayModel:
    """The replies of one run, found by their place: task, slot and turn, which together give the sample index."""

    priced = True

    def __init__(
        self, name: str, recorded: Mapping[int, Sequence[_Recorded]], rng_seed: int, config: ReplayConfig
    ) -> None:
        """Take over what `open_model` read."""
        self._name = name
        self._recorded = recorded
        self._rng_seed = rng_seed
        self._config = config
        self._warned = False

    @property
    def name(self) -> str:
        return self._name

    async def reply(self, messages: Sequence[Message], options: ReplyOptions) -> ModelReply:
        """What was replied at this place; its usage is that of then, and nothing is charged.

        Raises:
            ProviderError: nothing is recorded for this place, or, where that is to be refused, for this conversation.
        """
        at_place = self._recorded.get(options.sample_index)
        if not at_place:
            raise ProviderError(
                f"model {self._name!r}: no reply is recorded for this call; replay with the recorded run's tasks, "
                f"scaffold and rng_seed ({self._rng_seed}), and at most its episodes per task"
            )
        conversation = _digest(messages)
        fitting = next((one for one in at_place if one.conversation in (None, conversation)), None)
        if fitting is None:
            self._differs()
        return replace((fitting or at_place[0]).reply, cached=True)

    async def close(self) -> None:
        """Nothing is open."""

    def _differs(self) -> None:
        said = f"model {self._name!r}: a conversation differs from the recorded one"
        if self._config.differing == "refuse":
            raise ProviderError(f'{said}; plugin.llm.replay.differing = "warn" gives the recorded reply all the same')
        if not self._warned:
            self._warned = True
            log.warning("%s; the reply recorded at its place is given all the same (said once)", said)


def _calls_of(episode: Episode, rng_seed: int) -> list[tuple[int, _Recorded]]:
    """Sample index and reply of every call of an episode."""
    found: dict[int, _Recorded] = {}
    for segment in episode.trajectory.segments:
        said: list[Message] = []
        for entry in segment.entries:
            if entry.reply is not None and entry.turn is not None:
                found.setdefault(entry.turn, _Recorded(conversation=_digest(said), reply=entry.reply))
            said.append(entry.message)
    if episode.stop_reason is StopReason.CONTEXT:
        end = ModelReply(text="", finish_reason="context")
        found[max(found, default=-1) + 1] = _Recorded(conversation=None, reply=end)
    return [
        (derived(rng_seed, episode.task_id, episode.slot, turn), recorded) for turn, recorded in sorted(found.items())
    ]


def _digest(messages: Sequence[Message]) -> str:
    plain: list[Any] = [
        [
            one.role,
            one.content,
            [[call.call_id, call.name, call.arguments] for call in one.tool_calls],
            one.tool_call_id,
        ]
        for one in messages
    ]
    return hashlib.sha256(json.dumps(plain).encode()).hexdigest()
