"""What comes back: litellm's response as a `ModelReply`, its reasoning apart and its token counts made plausible."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final, Literal

from sandmle.core.errors import ProviderError
from sandmle.core.types.message import Message, ModelReply, Reasoning, ReplyOptions, Usage
from sandmle.plugins.llms.calls import Target
from sandmle.plugins.llms.tool_calls import read_calls

CHARS_PER_TOKEN: Final = 4
"""English text under the usual tokenizers; only where a provider's own counts are missing or cannot be true."""
BYTES_PER_CHAR: Final = 4
"""Of UTF-8, at most. No tokenizer gives more tokens than bytes."""
ALLOWANCE: Final = 5000
"""Tokens that providers add to a prompt: templates, instructions for tools."""
_NATIVE: Final = ("reasoning_content", "reasoning", "thinking")
_SILENT: Final[Mapping[str, Literal["stop", "length"]]] = MappingProxyType({"STOP": "stop", "MAX_TOKENS": "length"})
"""Gemini's words for the end of a model that was not stopped by anybody else."""
_INLINE: Final = ("<think>", "<thinking>", "<budget:thinking>")
"""What litellm cuts out of a text that begins with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The call that a response answers."""

    target: Target
    messages: Sequence[Message]
    options: ReplyOptions
    raw: str | None
    """The response as the provider sent it, where litellm shows it."""
    listed_usd: float | None = None
    """What litellm says it cost, where it knows."""


def read_response(response: Any, asked: Asked) -> ModelReply:
    """The reply that a response holds.

    Raises:
        ProviderError: it holds none.
    """
    name = asked.target.name
    if not getattr(response, "choices", None):
        if (reason := _silence(asked.raw)) is None:
            raise ProviderError(f"model {name!r}: the reply holds no choice")
        reply = ModelReply(text="", finish_reason=reason)
        return _paid(response, reply, asked)
    choice = response.choices[0]
    text, reasoning = _text_and_reasoning(choice.message, asked.raw)
    if asked.target.config.reasoning == "joined" and reasoning and asked.options.json_schema is None:
        text, reasoning = f"<think>\n{reasoning.text}\n</think>\n{text}", None
    if choice.finish_reason == "content_filter" and not text and not choice.message.tool_calls:
        raise ProviderError(f"model {name!r}: the provider's content filter withheld the reply")
    reply = ModelReply(
        text=text,
        reasoning=reasoning,
        tool_calls=read_calls(choice.message),
        finish_reason="length" if choice.finish_reason == "length" else "stop",
    )
    return _paid(response, reply, asked)


def _paid(response: Any, reply: ModelReply, asked: Asked) -> ModelReply:
    """The reply with what it took."""
    reported = getattr(response, "usage", None)
    usage = _plausible(reported, reply, asked)
    # litellm's own figure believes every count.
    believed = (usage.prompt_tokens, usage.completion_tokens) == (
        getattr(reported, "prompt_tokens", None),
        getattr(reported, "completion_tokens", None),
    )
    cost_usd = _cost(asked, usage, asked.listed_usd if believed else None)
    return replace(reply, usage=replace(usage, cost_usd=max(0.0, cost_usd)))


def _silence(raw: str | None) -> Literal["stop", "length"] | None:
    """How a model that said nothing came to its end; None where no model did.

    Gemini answers so when all its tokens went into thinking, and litellm takes it for no answer. To say nothing is an
    act of the model's like any other: it must not get an episode out of its group.
    """
    try:
        reason = json.loads(raw or "null")["candidates"][0]["finishReason"]
    except (ValueError, TypeError, KeyError, IndexError, RecursionError):
        return None
    return _SILENT.get(reason) if isinstance(reason, str) else None


def _text_and_reasoning(message: Any, raw: str | None) -> tuple[str, Reasoning | None]:
    text = message.content or ""
    thought = getattr(message, "reasoning_content", None)
    blocks = getattr(message, "thinking_blocks", None)
    if not isinstance(thought, str) or not (thought or blocks):
        return text, None
    written = _written(raw)
    if written is not None:
        # The model wrote it itself, as part of its text: that is how some scaffolds have it think.
        return written, None
    # Half of a surrogate pair can be put into no file.
    sound = thought.encode("utf-8", "replace").decode("utf-8")
    return text, Reasoning(text=sound, signed=json.dumps(blocks) if blocks else "")


def _written(raw: str | None) -> str | None:
    """The whole text that a model wrote, when it begins with a thought of its own in tags."""
    try:
        answer = json.loads(raw or "null")
        message = answer["message"] if "message" in answer else answer["choices"][0]["message"]
        content = message["content"]
    except (ValueError, TypeError, KeyError, IndexError, RecursionError):
        return None
    if any(message.get(name) for name in _NATIVE):
        return None
    return content if isinstance(content, str) and content.startswith(_INLINE) else None


def _plausible(reported: Any, reply: ModelReply, asked: Asked) -> Usage:
    """Tokens, with counts that cannot be true put right, so that caps hold whatever a server says.

    Counts that are missing, negative or zero for a text are estimated; those above what the text can come to are
    cut down to that.
    """
    options, config = asked.options, asked.target.config
    sent = sum(len(one.content) + sum(len(call.arguments) for call in one.tool_calls) for one in asked.messages)
    sent += sum(len(json.dumps(tool.parameters)) + len(tool.description) for tool in options.tools)
    said = len(reply.text) + sum(len(call.arguments) + len(call.name) for call in reply.tool_calls)
    said += len(reply.reasoning.text) if reply.reasoning else 0
    most = max(config.max_tokens or options.max_tokens, said * BYTES_PER_CHAR) + ALLOWANCE
    return Usage(
        prompt_tokens=_count(getattr(reported, "prompt_tokens", None), sent, sent * BYTES_PER_CHAR + ALLOWANCE),
        completion_tokens=_count(getattr(reported, "completion_tokens", None), said, most),
    )


def _count(reported: Any, chars: int, most: int) -> int:
    if not isinstance(reported, int) or isinstance(reported, bool) or reported < 0 or (reported == 0 and chars):
        return -(-chars // CHARS_PER_TOKEN)
    return min(reported, most)


def _cost(asked: Asked, usage: Usage, listed_usd: float | None) -> float:
    if listed_usd is not None:
        return listed_usd
    prices = asked.target.prices
    if prices is None:
        return 0.0
    return usage.prompt_tokens * prices.prompt_usd + usage.completion_tokens * prices.completion_usd
