"""The rollout engine of OpenRLHF as a chat model: ids go in, sampled ids and their log-probs come out.

The engine lives on the event loop of its own actor, and episodes on another, so that nothing an episode waits for or
computes holds up generation. Nothing is decoded and encoded again: the policy's own turns stay the ids it sampled.
"""

import asyncio
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from sandmle.core.contracts.policy import ChatCodec
from sandmle.core.errors import ProviderError, boundary
from sandmle.core.types.message import Message, ModelReply, ReplyOptions, Usage

NAME: Final = "openrlhf/engine"
ENDS: Final = ("stop", "length")
"""Reasons of the engine by which a turn is over; any other one (an aborted request) is no turn."""


class RolloutEngine(Protocol):
    """OpenRLHF's rollout actor, as an executor is handed it."""

    async def generate(self, prompt_token_ids: list[int], sampling_params: Any, multi_modal_data: Any = None) -> Any:
        """One completion: vLLM's `RequestOutput`."""
        ...


class EngineModel:
    """One conversation partner for the episodes of one call of `execute`."""

    def __init__(
        self,
        engine: RolloutEngine,
        loop: asyncio.AbstractEventLoop,
        codec: ChatCodec,
        *,
        sampling: Any,
        max_tokens: int,
    ) -> None:
        """Bind an engine.

        Args:
            engine: whose `generate` is called.
            loop: the engine's own event loop; may be another than the one that replies are awaited on.
            codec: of the checkpoint that the engine has loaded.
            sampling: OpenRLHF's `SamplingParams`, shared by a whole batch and therefore never changed.
            max_tokens: of a whole conversation, prompt and answer.
        """
        self._engine = engine
        self._loop = loop
        self._codec = codec
        self._sampling = sampling
        self._max_tokens = max_tokens

    @property
    def name(self) -> str:
        return NAME

    async def reply(self, messages: Sequence[Message], options: ReplyOptions) -> ModelReply:
        """Sample one turn. A conversation that leaves no room for one gets finish reason `context`.

        Temperature and the rest are OpenRLHF's own, since the trainer computes its log-probs by them.

        Raises:
            ProviderError: the engine failed or gave no exact ids, or functions were offered to be called.
        """
        if options.tools:
            raise ProviderError(
                "the rollout engine makes no native tool calls; under the scaffold openai_tools set "
                'plugin.scaffold.openai_tools.calls = "text"'
            )
        prompt = self._codec.prompt(messages)
        room = min(options.max_tokens, self._max_tokens - len(prompt))
        if room < 1:
            return ModelReply(text="", finish_reason="context")
        with boundary(ProviderError, "the rollout engine"):
            output = await self._generate(list(prompt), self._turn(options, room))
            return self._read(prompt, output, options.stop)

    async def close(self) -> None:
        """The engine is OpenRLHF's to close."""

    async def _generate(self, prompt: list[int], sampling: Any) -> Any:
        answer = self._engine.generate(prompt, sampling)
        if asyncio.get_running_loop() is self._loop:
            return await answer
        # Being cancelled here cancels the request there.
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(answer, self._loop))

    def _turn(self, options: ReplyOptions, room: int) -> Any:
        """Parameters of one turn, made anew: vLLM derives others from some of them when they are made, not later."""
        shared = self._sampling
        return type(shared)(
            temperature=shared.temperature,
            top_p=shared.top_p,
            top_k=shared.top_k,
            max_tokens=room,
            # With a minimum, vLLM would keep the end of turn from being sampled, and the log-probs would not be the
            # trainer's.
            min_tokens=0,
            skip_special_tokens=False,
            logprobs=1 if shared.logprobs is None else shared.logprobs,
            stop=list(options.stop) or None,
            stop_token_ids=[self._codec.end_id],
        )

    def _read(self, prompt: tuple[int, ...], output: Any, stops: Sequence[str]) -> ModelReply:
        [completion] = output.outputs
        sampled = tuple(map(int, completion.token_ids))
        if completion.finish_reason not in ENDS or not sampled:
            raise ValueError(f"it ended a turn of {len(sampled)} tokens by {completion.finish_reason!r}")
        log_probs = _log_probs(sampled, completion.logprobs)
        text = self._codec.decode(sampled)
        found = [text.find(stop) for stop in stops if stop in text]
        return ModelReply(
            text=text[: min(found)] if found else text,
            finish_reason=completion.finish_reason,
            usage=Usage(prompt_tokens=len(prompt), completion_tokens=len(sampled)),
            prompt_ids=prompt,
            sampled_ids=sampled,
            log_probs=log_probs,
        )


def _log_probs(sampled: Sequence[int], given: Sequence[Mapping[int, Any]] | None) -> tuple[float, ...]:
    if given is None or len(given) != len(sampled):
        raise ValueError(f"it gave {0 if given is None else len(given)} log-probs for {len(sampled)} tokens")
    found = tuple(float(one[token].logprob) for token, one in zip(sampled, given, strict=True))
    if not all(map(math.isfinite, found)):
        raise ValueError("it gave a log-prob that is no finite number: the weights are broken")
    return found
