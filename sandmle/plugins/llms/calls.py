"""What is sent: a conversation and its options as the arguments of one litellm call."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sandmle.core.errors import ProviderError
from sandmle.core.types.message import Message, ReplyOptions
from sandmle.plugins.llms.client import litellm
from sandmle.plugins.llms.config import Headers, ModelOptions
from sandmle.plugins.llms.tool_calls import wire_messages, wire_tools

NO_KEY: Final = "none"
"""Sent to an address of the user's own when there is no key: servers of one's own want none, clients want some."""
_FREE: Final = ("offline", "ollama", "ollama_chat")
"""Providers whose models run here."""
_ADD_THEIR_VERSION: Final = ("anthropic", "gemini", "ollama", "ollama_chat")
"""Providers for which litellm adds the whole path; an address that ends in OpenAI's `/v1` would be doubled."""


MILLION: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """US dollars per token."""

    prompt_usd: float
    completion_usd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One model as litellm knows it, with everything configured for it."""

    name: str
    """The string the user gave."""
    model: str
    """What litellm takes."""
    provider: str
    config: ModelOptions
    headers: Headers
    keyless: bool = False
    """No key is set, and the server is one of the user's own."""

    @property
    def own_price(self) -> bool:
        """Whether the user said what a reply costs."""
        prices = (self.config.usd_per_million_prompt_tokens, self.config.usd_per_million_completion_tokens)
        return prices != (None, None)

    @property
    def free(self) -> bool:
        """Whether its replies cost nothing, since the model runs here."""
        return self.provider in _FREE

    @property
    def prices(self) -> Prices | None:
        """What a token costs: as configured, else by litellm's list; None where neither knows."""
        config = self.config
        if self.own_price:
            return Prices(
                prompt_usd=(config.usd_per_million_prompt_tokens or 0.0) / MILLION,
                completion_usd=(config.usd_per_million_completion_tokens or 0.0) / MILLION,
            )
        if self.free:
            return Prices(prompt_usd=0.0, completion_usd=0.0)
        names = (self.model, self.model.partition("/")[2])
        known: dict[str, dict[str, Any]] = litellm.model_cost
        listed = next((known[one] for one in names if one in known), {})
        sent, answered = listed.get("input_cost_per_token"), listed.get("output_cost_per_token")
        if sent is None or answered is None:
            return None
        return Prices(prompt_usd=float(sent), completion_usd=float(answered))

    @property
    def api_base(self) -> str | None:
        """Address as litellm expects it of this provider."""
        address = self.config.api_base
        if address and self.provider in _ADD_THEIR_VERSION:
            return address.removesuffix("/v1")
        return address


def wire_call_arguments(target: Target, messages: Sequence[Message], options: ReplyOptions) -> dict[str, Any]:
    """Everything that decides the reply; deadlines and retries are not among it.

    Raises:
        ProviderError: the model is to call functions, and litellm offers none to its provider.
    """
    config = target.config
    if options.tools:
        target = _that_takes_tools(target)
    arguments: dict[str, Any] = {
        **config.options,
        "model": target.model,
        "messages": wire_messages(messages, with_reasoning=config.reasoning == "sent"),
        "temperature": options.temperature if config.temperature is None else config.temperature,
        "max_tokens": config.max_tokens or options.max_tokens,
        "seed": options.sample_index,
    }
    if options.stop:
        arguments["stop"] = list(options.stop)
    if options.tools:
        arguments["tools"] = wire_tools(options.tools)
    if target.api_base:
        arguments["api_base"] = target.api_base
    if config.reasoning_effort is not None:
        arguments["reasoning_effort"] = config.reasoning_effort
        # What litellm does not know of a model it would leave out; what the user asked for is sent.
        if "reasoning_effort" not in _known_to(target):
            arguments["allowed_openai_params"] = ["reasoning_effort"]
    if options.json_schema is not None and _takes_schema(target):
        arguments["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": options.json_schema},
        }
    return arguments


def sending_arguments(target: Target, deadline_s: float) -> dict[str, Any]:
    """How it is sent. The deadline is the same for every try: litellm opens a new client for each other one."""
    arguments: dict[str, Any] = {"timeout": deadline_s, "max_retries": 0, "num_retries": 0, "drop_params": True}
    if target.headers:
        arguments["extra_headers"] = dict(target.headers)
    if target.keyless:
        arguments["api_key"] = NO_KEY
    return arguments


def _known_to(target: Target) -> Sequence[str]:
    _, _, model = target.model.partition("/")
    return litellm.get_supported_openai_params(model=model, custom_llm_provider=target.provider) or ()


def _that_takes_tools(target: Target) -> Target:
    """The same model, asked in a way in which it hears of its tools."""
    if target.provider == "ollama":
        # The same server and model; only its chat protocol knows of functions.
        target = replace(target, provider="ollama_chat", model=f"ollama_chat/{target.model.partition('/')[2]}")
    # litellm drops what a provider does not know.
    if "tools" not in _known_to(target):
        raise ProviderError(
            f"model {target.name!r}: litellm offers no tools to models of {target.provider!r}; take a provider that "
            'knows them, or under the scaffold openai_tools set plugin.scaffold.openai_tools.calls = "text"'
        )
    return target


def _takes_schema(target: Target) -> bool:
    if target.config.json_schema == "auto":
        return bool(litellm.supports_response_schema(target.model))
    return target.config.json_schema == "always"
