"""Answers what OpenRLHF asks of an agent: one whole episode of our own engine for each sample. Nothing escapes."""

import asyncio
from pathlib import Path
from typing import Any, Final

from sandmle.core.contracts.policy import ChatCodec
from sandmle.core.engine.deadlines import deadline
from sandmle.core.engine.recording import NO_ACTION
from sandmle.core.errors import PluginError, ProviderError, SandmleError, boundary
from sandmle.plugins.trainers.openrlhf.codecs import open_codec
from sandmle.plugins.trainers.openrlhf.engine import EngineModel, RolloutEngine
from sandmle.plugins.trainers.openrlhf.playing import EpisodeThread, Played
from sandmle.plugins.trainers.openrlhf.samples import Asked, Response, invalid_response, response_of

SPARE_S: Final = 60.0
"""What an attempt's own deadline may be late by."""


class Player:
    """Everything episodes are played with, opened once."""

    def __init__(self, file: Path) -> None:
        """Open it.

        Args:
            file: the resolved configuration.

        Raises:
            UsageError: there is no usable configuration, or its tasks cannot be read.
            InfrastructureError: the sandbox cannot be started.
        """
        self.episodes = EpisodeThread(file)
        self._codecs: dict[str, ChatCodec] = {}

    async def answer(
        self, asked: Asked, engine: RolloutEngine, *, sampling: Any, max_length: int, tokenizer: Any
    ) -> Response:
        """Play one episode of the task that the label names.

        Args:
            asked: prompt and label.
            engine: generates on the event loop that this is awaited on.
            sampling: shared by the whole batch; read, never changed.
            max_length: tokens of a whole conversation.
            tokenizer: of the policy.
        """
        loop = asyncio.get_running_loop()

        async def play() -> Played:
            # Reading a tokenizer takes its time, too: nothing but generation is done on the engine's loop.
            codec = self._codec(tokenizer)
            model = EngineModel(engine, loop, codec, sampling=sampling, max_tokens=max_length)
            return await self.episodes.play(asked.label, model)

        longest_s = self.episodes.tries * (self.episodes.longest_s + SPARE_S)
        try:
            async with deadline(longest_s, ProviderError, f"an episode of task {asked.label}"):
                played = await asyncio.wrap_future(self.episodes.submit(play()))
                if played.episode is None:
                    return invalid_response(asked, played.failure or "it was not played", played.after)
                # A milestone may have no value, and a scaffold may have changed what was said: neither ends a training.
                with boundary(PluginError, f"an episode of task {asked.label} cannot be trained on"):
                    return response_of(played.episode, asked, masked_stops=self.episodes.config.grpo.masked_stops)
        except SandmleError as problem:
            return invalid_response(asked, f"{type(problem).__name__}: {problem}", NO_ACTION)

    def close(self) -> None:
        """End sandbox, grader and thread. Idempotent."""
        self.episodes.close()

    def _codec(self, tokenizer: Any) -> ChatCodec:
        name = str(tokenizer.name_or_path)
        if name not in self._codecs:
            self._codecs[name] = open_codec(self.episodes.toolkit, tokenizer)
        return self._codecs[name]
