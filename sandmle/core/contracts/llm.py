"""Whatever answers a conversation: a remote model, a local checkpoint, a scripted player."""

from collections.abc import Sequence
from typing import Protocol

from sandmle.core.types.message import Message, ModelReply, ReplyOptions


class ChatModel(Protocol):
    """One model, open for questions. Safe to ask concurrently.

    One that may cost money it cannot tell has an attribute `priced` that is false, and is refused under a cap in USD.
    One that cannot be asked as things stand, for want of a key, has an attribute `lacks` that says what to do, and is
    refused before a run.
    """

    @property
    def name(self) -> str:
        """The model string the user gave, such as `openai/gpt-5` or `offline/agent`."""
        ...

    async def reply(self, messages: Sequence[Message], options: ReplyOptions) -> ModelReply:
        """Answer the conversation once.

        Raises:
            ProviderError: the provider failed, after the retries that make sense for it.
        """
        ...

    async def close(self) -> None:
        """Let go of connections and memory. Idempotent."""
        ...


class LlmProvider(Protocol):
    """Opens models by name. Registered with `sandmle_register_llm_providers`."""

    def open_model(self, model: str) -> ChatModel:
        """Open `model`, the whole string the user gave.

        Raises:
            ConfigError: no such model; the message names the nearest.
        """
        ...
