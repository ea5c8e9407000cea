"""A scripted model for tests, and the checks that every `ChatModel` has to pass. Shipped to plugin authors."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sandmle.core.contracts.llm import ChatModel
from sandmle.core.errors import PluginError, ProviderError
from sandmle.core.types.message import Message, ModelReply, ReplyOptions, Usage

Script = Sequence[str | ModelReply] | Callable[[Sequence[Message], ReplyOptions], str | ModelReply]
"""Replies in the order they are asked for, or a function that answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One question that a scripted model was asked."""

    messages: tuple[Message, ...]
    options: ReplyOptions


class ScriptedModel:
    """A `ChatModel` that says what it was told to say, and keeps what it was asked."""

    def __init__(self, script: Script, *, name: str = "scripted/model") -> None:
        self._answer = script if callable(script) else None
        self._left = list(script) if not callable(script) else []
        self._name = name
        self.asked: list[Asked] = []
        self.closed = 0
        """How often it was closed."""

    @property
    def name(self) -> str:
        return self._name

    async def reply(self, messages: Sequence[Message], options: ReplyOptions) -> ModelReply:
        """The next reply of the script.

        Raises:
            ProviderError: the script has no further reply.
        """
        self.asked.append(Asked(messages=tuple(messages), options=options))
        if self._answer is not None:
            said = self._answer(messages, options)
        elif self._left:
            said = self._left.pop(0)
        else:
            raise ProviderError(f"model {self._name!r}: the script has no reply number {len(self.asked)}")
        if isinstance(said, ModelReply):
            return said
        words = sum(len(message.content.split()) for message in messages)
        return ModelReply(text=said, usage=Usage(prompt_tokens=words, completion_tokens=len(said.split())))

    async def close(self) -> None:
        self.closed += 1


async def check_chat_model(
    model: ChatModel,
    messages: Sequence[Message] = (Message(role="user", content="Say one word."),),
    *,
    deterministic: bool = True,
) -> None:
    """Ask a model a handful of questions and close it; works for any model that can answer `messages`.

    Args:
        model: freshly opened; it is closed afterwards.
        messages: a conversation it can answer.
        deterministic: whether the same sample index is to give the same reply.

    Raises:
        PluginError: it breaks a promise of the contract; the message says which.
        ProviderError: it could not answer.
    """
    if not model.name.strip():
        raise PluginError("a chat model has no name")
    before = tuple(messages)
    try:
        first = await model.reply(messages, ReplyOptions(sample_index=1))
        _check_reply(model.name, first)
        if tuple(messages) != before:
            raise PluginError(f"model {model.name!r} changed the conversation it was given")
        options = [ReplyOptions(sample_index=1 + at % 2) for at in range(6)]
        together = await asyncio.gather(*(model.reply(messages, one) for one in options))
        for reply in together:
            _check_reply(model.name, reply)
        if deterministic and {reply.text for reply in together[::2]} != {first.text}:
            raise PluginError(f"model {model.name!r} gave different replies to the same sample index")
    finally:
        await model.close()
    await model.close()


def _check_reply(name: str, reply: ModelReply) -> None:
    if not isinstance(reply, ModelReply) or not isinstance(reply.text, str):
        raise PluginError(f"model {name!r} gave {type(reply).__name__!r} instead of a ModelReply with text")
    if reply.finish_reason not in ("stop", "length", "context"):
        raise PluginError(
            f"model {name!r}: finish_reason is {reply.finish_reason!r}; make it 'stop', 'length' or 'context'"
        )
    if min(reply.usage.prompt_tokens, reply.usage.completion_tokens, reply.usage.cost_usd) < 0:
        raise PluginError(f"model {name!r}: negative usage {reply.usage}")
    if reply.log_probs is not None:
        if reply.sampled_ids is None or len(reply.log_probs) != len(reply.sampled_ids):
            raise PluginError(f"model {name!r}: log_probs need one sampled id each")
        if any(value > 0 for value in reply.log_probs):
            raise PluginError(f"model {name!r}: a log-probability above 0")
