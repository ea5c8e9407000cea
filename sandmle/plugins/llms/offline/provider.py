"""The `offline/...` models as a custom provider of litellm, so that the default walks the path of any other model."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sandmle.core.errors import ConfigError, nearest
from sandmle.core.types.message import ModelReply
from sandmle.plugins.llms.calls import Target
from sandmle.plugins.llms.client import CustomLLM, litellm, quiet_litellm
from sandmle.plugins.llms.config import LitellmConfig
from sandmle.plugins.llms.limits import AdaptiveLimit
from sandmle.plugins.llms.litellm_model import LitellmModel
from sandmle.plugins.llms.offline.models import PLAYERS
from sandmle.plugins.llms.tool_calls import from_wire, wire_call
from sandmle.plugins.llms.tries import Tries

PREFIX = "offline"
UNLIMITED = 1_000_000
"""Replies at once: these models answer in this process, and bear any number."""
CHARS_PER_TOKEN = 4
"""For the usage figures only: no tokenizer stands behind these models."""


class OfflineProvider:
    """Opens `offline/NAME`."""

    def __init__(self, config: LitellmConfig) -> None:
        self._config = config

    def open_model(self, model: str) -> LitellmModel:
        """Open one of the embedded models.

        Raises:
            ConfigError: no such name; the message gives the nearest.
        """
        name = model.removeprefix(f"{PREFIX}/")
        if name not in PLAYERS:
            raise ConfigError(f"no model {model!r}; {nearest(model, [f'{PREFIX}/{known}' for known in PLAYERS])}")
        quiet_litellm()
        register_players()
        whole = f"{PREFIX}/{name}"
        target = Target(name=whole, model=whole, provider=PREFIX, config=self._config, headers={})
        return LitellmModel([Tries(target, AdaptiveLimit(UNLIMITED, UNLIMITED))])


def register_players() -> None:
    """Tell litellm of the offline provider, once however often it is called."""
    if not any(item["provider"] == PREFIX for item in litellm.custom_provider_map):
        litellm.custom_provider_map.append({"provider": PREFIX, "custom_handler": OfflineLlm()})
        litellm.utils.custom_llm_setup()  # type: ignore[no-untyped-call]


class OfflineLlm(CustomLLM):
    """Answers by having the named player read the conversation."""

    # litellm passes everything by name; what is not named here does not matter to a player.

    def completion(  # type: ignore[override]
        self, *, model: str, messages: list[Any], model_response: Any, optional_params: dict[str, Any], **_: Any
    ) -> Any:
        return _answer(model, messages, model_response, optional_params)

    async def acompletion(  # type: ignore[override]
        self, *, model: str, messages: list[Any], model_response: Any, optional_params: dict[str, Any], **_: Any
    ) -> Any:
        return _answer(model, messages, model_response, optional_params)


def _answer(model: str, messages: Sequence[Any], response: Any, options: dict[str, Any]) -> Any:
    conversation = [from_wire(message) for message in messages]
    said = PLAYERS[model](conversation, int(options.get("seed") or 0))
    reply = said if isinstance(said, ModelReply) else ModelReply(text=said)
    size = len(reply.text) + sum(len(call.arguments) for call in reply.tool_calls)
    # A call that names no limit has none.
    limit = int(options.get("max_tokens") or size) * CHARS_PER_TOKEN
    text, calls, left = reply.text[:limit], [], max(0, limit - len(reply.text))
    for call in reply.tool_calls:
        calls.append(wire_call(replace(call, arguments=call.arguments[:left])))
        left = max(0, left - len(call.arguments))
    asked = sum(len(message.content) for message in conversation)
    response.choices = [
        litellm.Choices(
            index=0,
            finish_reason="length" if size > limit else "tool_calls" if calls else "stop",
            message=litellm.Message(role="assistant", content=text, tool_calls=calls or None),
        )
    ]
    size = min(size, limit)
    response.usage = litellm.Usage(
        prompt_tokens=asked // CHARS_PER_TOKEN,
        completion_tokens=size // CHARS_PER_TOKEN,
        total_tokens=asked // CHARS_PER_TOKEN + size // CHARS_PER_TOKEN,
    )
    return response
