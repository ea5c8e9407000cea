"""A scripted model for tests, and the checks that every `ChatModel` has to pass. Shipped to plugin authors."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sandmle.core.conformance.shape import check_shape
from sandmle.core.contracts.llm import ChatModel, LlmProvider
from sandmle.core.errors import PluginError, ProviderError, boundary
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


async def check_provider(
    provider: LlmProvider,
    model: str,
    messages: Sequence[Message] = (Message(role="user", content="Say one word."),),
    *,
    deterministic: bool = True,
) -> None:
    """Open a model of a provider and check it.

    Args:
        provider: made once as for a run.
        model: the whole string of a model that it has, such as `mine/small`.
        messages: a conversation the model can answer.
        deterministic: whether the same sample index is to give the same reply.

    Raises:
        PluginError: provider or model break a promise of their contract; the message says which.
        ConfigError: the provider has no such model.
        ProviderError: the model could not answer.
    """
    what = f"the provider of {model!r}"
    check_shape(provider, LlmProvider, what)
    with boundary(PluginError, f"{what} failed in its open_model()"):
        opened = provider.open_model(model)
    check_shape(opened, ChatModel, f"what {what} opens")
    if opened.name != model:
        raise PluginError(f"{what} opened a model named {opened.name!r}; its name is the string it was opened by")
    await check_chat_model(opened, messages, deterministic=deterministic)


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
    check_shape(model, ChatModel, "the chat model")
    if not model.name.strip():
        raise PluginError("a chat model has no name")
    before = tuple(messages)
    asking = f"model {model.name!r} failed; what it cannot answer is a ProviderError"
    try:
        with boundary(PluginError, asking):
            first = await model.reply(messages, ReplyOptions(sample_index=1))
        _check_reply(model.name, first)
        if tuple(messages) != before:
            raise PluginError(f"model {model.name!r} changed the conversation it was given")
        options = [ReplyOptions(sample_index=1 + at % 2) for at in range(6)]
        with boundary(PluginError, asking):
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
