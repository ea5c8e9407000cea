"""The class that OpenRLHF's agent file offers: it plays one whole episode of our own engine for each sample.

OpenRLHF makes it inside the rollout actor before the engine is loaded, and gathers `execute` without catching anything:
one exception would end the training. None leaves here. An episode that the infrastructure failed is marked invalid.
"""

import asyncio
import atexit
from typing import Any, Final

from openrlhf.utils.agent import AgentExecutorBase

from sandmle.core.contracts.policy import ChatCodec
from sandmle.core.engine.deadlines import deadline
from sandmle.core.engine.recording import NO_ACTION
from sandmle.core.errors import PluginError, ProviderError, SandmleError, boundary
from sandmle.plugins.trainers.openrlhf.codecs import configuration_file, open_codec
from sandmle.plugins.trainers.openrlhf.engine import EngineModel
from sandmle.plugins.trainers.openrlhf.playing import EpisodeThread, Played
from sandmle.plugins.trainers.openrlhf.samples import Asked, Response, invalid_response, response_of

SPARE_S: Final = 60.0
"""What an attempt's own deadline may be late by."""


class AgentExecutor(AgentExecutorBase):  # type: ignore[misc]
    """Whole episodes, one per call."""

    def __init__(self) -> None:
        """Open everything episodes are played with.

        Raises:
            UsageError: there is no usable configuration, or its tasks cannot be read.
            InfrastructureError: the sandbox cannot be started.
        """
        self._episodes = EpisodeThread(configuration_file())
        self._codecs: dict[str, ChatCodec] = {}
        atexit.register(self.close)

    async def execute(
        self,
        prompt: str,
        label: str,
        sampling_params: Any,
        max_length: int,
        hf_tokenizer: Any,
        llm_engine: Any,
        images: Any = None,
    ) -> Response:
        """Play one episode of the task that `label` names.

        What the policy is first told is the scaffold's to write; `prompt` is only echoed.

        Args:
            prompt: of the dataset.
            label: id of the task.
            sampling_params: shared by the whole batch; read, never changed.
            max_length: tokens of a whole conversation.
            hf_tokenizer: of the policy.
            llm_engine: the rollout actor.
            images: not used.
        """
        asked = Asked(prompt=prompt, label=label)
        loop = asyncio.get_running_loop()

        async def play() -> Played:
            # Reading a tokenizer takes its time, too: nothing but generation is done on the engine's loop.
            codec = self._codec(hf_tokenizer)
            model = EngineModel(llm_engine, loop, codec, sampling=sampling_params, max_tokens=max_length)
            return await self._episodes.play(label, model)

        longest_s = self._episodes.tries * (self._episodes.longest_s + SPARE_S)
        try:
            async with deadline(longest_s, ProviderError, f"an episode of task {label}"):
                played = await asyncio.wrap_future(self._episodes.submit(play()))
                if played.episode is None:
                    return invalid_response(asked, played.failure or "it was not played", played.after)
                # A milestone may have no value, and a scaffold may have changed what was said: neither ends a training.
                with boundary(PluginError, f"an episode of task {label} cannot be trained on"):
                    return response_of(played.episode, asked, masked_stops=self._episodes.config.grpo.masked_stops)
        except SandmleError as problem:
            return invalid_response(asked, f"{type(problem).__name__}: {problem}", NO_ACTION)

    def close(self) -> None:
        """End sandbox, grader and thread. Idempotent."""
        self._episodes.close()

    def _codec(self, tokenizer: Any) -> ChatCodec:
        name = str(tokenizer.name_or_path)
        if name not in self._codecs:
            self._codecs[name] = open_codec(self._episodes.toolkit, tokenizer)
        return self._codecs[name]
