"""What is said to a language model and what it answers."""

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSpec:
    """A function that a model may call natively."""

    name: str
    description: str
    parameters: dict[str, object] = field(hash=False)
    """JSON schema of its arguments, one object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A native call as the model wrote it: neither the name nor the arguments have been judged."""

    call_id: str
    name: str
    arguments: str
    """JSON text where the model wrote JSON; anything else otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reasoning:
    """What a thinking model thought before its answer, where its provider gives that apart from the text."""

    text: str
    signed: str = ""
    """JSON of the provider's own blocks, which some want back unchanged when they want them back at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One chat message."""

    role: Literal["system", "user", "assistant", "tool"]
    """`tool` answers one native call of the assistant message before."""
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    """Of an assistant: the native calls it made."""
    tool_call_id: str | None = None
    """Of a tool message: the call that it answers."""
    token_ids: tuple[int, ...] | None = field(default=None, compare=False)
    """What the policy sampled to write this turn of its own, end included, where it said so. A token-exact
    model takes these in place of the text, so that nothing of its own is ever encoded anew."""
    reasoning: Reasoning | None = field(default=None, compare=False)
    """What was thought before this turn of its own. No provider is sent it unless its configuration asks for that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyOptions:
    """How a reply is to be sampled."""

    temperature: float = 1.0
    max_tokens: int = 4096
    stop: tuple[str, ...] = ()
    sample_index: int = 0
    """Which of several samples of the same prompt this is; sent as the sampling seed where there is one."""
    json_schema: dict[str, object] | None = field(default=None, hash=False)
    """Ask for one JSON object of this schema, where the model can be asked."""
    tools: tuple[ToolSpec, ...] = ()
    """Functions the model may call natively; a model that cannot call any refuses them with a `ProviderError`."""
    timeout_s: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens and money of one reply; a provider that reports nothing gives zeros."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReply:
    """A model's answer. Ids and log-probs are there only where the model gives them exactly."""

    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    """Native calls, in the order made."""
    reasoning: Reasoning | None = None
    """Kept apart from `text`, which scaffolds read and say back."""
    finish_reason: str = "stop"
    """`stop`; `length` when cut by the token limit; `context` when the conversation leaves no room for an answer,
    so that nothing was sampled."""
    usage: Usage = field(default_factory=Usage)
    cached: bool = False
    """It was paid for earlier: `usage` is what that took, and nothing is charged now."""
    answered_by: str | None = None
    """The model that answered in place of the one asked, which had failed."""
    prompt_ids: tuple[int, ...] | None = None
    sampled_ids: tuple[int, ...] | None = None
    log_probs: tuple[float, ...] | None = None
    """One per sampled id, natural logarithm, under the sampling policy."""
