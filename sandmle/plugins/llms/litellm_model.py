"""Every model that litellm can reach, as a `ChatModel`: our deadline, our retries, our errors.

litellm's own retries, budgets, caches and its default deadline of 6000 s are not used.
"""

import asyncio
import math
import os
from collections.abc import Sequence
from typing import Any

from sandmle.core.errors import ConfigError, ProviderError, boundary, nearest
from sandmle.core.types.message import Message, ModelReply, ReplyOptions, Usage
from sandmle.plugins.llms.client import close_clients, exceptions, litellm, quiet_litellm
from sandmle.plugins.llms.config import LitellmConfig
from sandmle.plugins.llms.failures import VERDICTS, is_authentication, verdict_on
from sandmle.plugins.llms.tool_calls import read_calls, wire_messages, wire_tools

FAILURES = tuple(getattr(exceptions, name) for name in VERDICTS if hasattr(exceptions, name))
"""Every exception that litellm raises. Versions differ a little in which there are."""
MESSAGE_CHARS = 600
"""Characters of a provider's own error text that are shown."""


class LitellmProvider:
    """Opens any `provider/model` string that litellm knows."""

    def __init__(self, config: LitellmConfig) -> None:
        self._config = config

    def open_model(self, model: str) -> "LitellmModel":
        """Open `model`; nothing is sent yet.

        Raises:
            ConfigError: litellm knows no such provider; the message names the nearest.
        """
        quiet_litellm()
        # `litellm/openai/gpt-5` spells the provider out; what litellm itself takes begins after it.
        target = model.removeprefix("litellm/")
        try:
            litellm.get_llm_provider(target, api_base=self._config.api_base)
        except exceptions.BadRequestError as problem:
            prefix, slash, _ = target.partition("/")
            known = sorted({*(str(getattr(one, "value", one)) for one in litellm.provider_list), "offline"})
            if not slash:
                hint = "write it as provider/model, such as openai/gpt-5 or offline/agent"
            else:
                hint = nearest(prefix, known) if _is_near(prefix, known) else "see litellm's list of providers"
            raise ConfigError(f"no model {model!r}: litellm knows no provider {prefix!r}; {hint}") from problem
        return LitellmModel(model, self._config, target=target)


def _is_near(word: str, known: list[str]) -> bool:
    return nearest(word, known).startswith("did you mean")


class LitellmModel:
    """One model behind litellm. Asks do not share anything, so any number may be under way."""

    def __init__(self, name: str, config: LitellmConfig, *, target: str | None = None) -> None:
        self._name = name
        self._target = target or name
        self._config = config

    @property
    def name(self) -> str:
        return self._name

    async def reply(self, messages: Sequence[Message], options: ReplyOptions) -> ModelReply:
        """Answer the conversation once, retrying what passes by itself within the deadline.

        Raises:
            ProviderError: the key, the request, the provider or the connection; the message says which.
        """
        deadline_s = min(options.timeout_s, self._config.timeout_s or options.timeout_s)
        arguments = self._arguments(messages, options, deadline_s)
        with boundary(ProviderError, f"model {self._name!r}"):
            try:
                async with asyncio.timeout(deadline_s) as deadline:
                    response = await self._ask(arguments)
            except TimeoutError as problem:
                if not deadline.expired():
                    raise
                raise ProviderError(f"model {self._name!r}: no reply within {deadline_s:g} s") from problem
            return self._read(response, options)

    async def close(self) -> None:
        """Close litellm's pooled connections.

        The pool is litellm's and shared: a reply of another model that is under way loses its
        connection and is asked again like after any other broken connection.
        """
        await close_clients()

    def _arguments(self, messages: Sequence[Message], options: ReplyOptions, deadline_s: float) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            **self._config.options,
            "model": self._target,
            "messages": wire_messages(messages),
            "temperature": options.temperature,
            "max_tokens": options.max_tokens,
            "seed": options.sample_index,
            "timeout": deadline_s,
            "max_retries": 0,
            "num_retries": 0,
            "drop_params": True,
        }
        if options.stop:
            arguments["stop"] = list(options.stop)
        if options.tools:
            self._refuse_without_tools()
            arguments["tools"] = wire_tools(options.tools)
        if self._config.api_base:
            arguments["api_base"] = self._config.api_base
        if options.json_schema is not None and self._takes_schema():
            arguments["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": options.json_schema},
            }
        return arguments

    def _refuse_without_tools(self) -> None:
        # litellm drops what a provider does not know, and the model would never hear of its tools.
        model, provider, _, _ = litellm.get_llm_provider(self._target, api_base=self._config.api_base)
        if "tools" not in (litellm.get_supported_openai_params(model=model, custom_llm_provider=provider) or ()):
            raise ProviderError(
                f"model {self._name!r}: litellm offers no tools to models of {provider!r}; take a provider that knows "
                "them (for ollama, ollama_chat), or under the scaffold openai_tools set "
                'plugin.scaffold.openai_tools.calls = "text"'
            )

    def _takes_schema(self) -> bool:
        if self._config.json_schema == "auto":
            return bool(litellm.supports_response_schema(self._target))
        return self._config.json_schema == "always"

    async def _ask(self, arguments: dict[str, Any]) -> Any:
        pause_s = self._config.backoff_s
        for left in range(self._config.num_retries, -1, -1):
            try:
                return await litellm.acompletion(**arguments)
            except FAILURES as problem:
                verdict = verdict_on(problem)
                if left == 0 or verdict is None or not verdict.retry:
                    raise ProviderError(self._explain(problem, self._config.num_retries - left)) from problem
                wanted_s = max(pause_s, _retry_after_s(problem))
            await asyncio.sleep(min(wanted_s, self._config.max_backoff_s))
            pause_s *= 2
        raise AssertionError("the loop above returns or raises")

    def _explain(self, problem: Exception, retries: int) -> str:
        verdict = verdict_on(problem)
        meaning = verdict.meaning if verdict else type(problem).__name__
        if is_authentication(problem):
            meaning += f"; {self._about_key()}"
        tried = f" (after {retries} further tries)" if retries else ""
        text = " ".join(str(problem).split())
        text = text if len(text) <= MESSAGE_CHARS else text[:MESSAGE_CHARS] + "..."
        return f"model {self._name!r}: {meaning}{tried}: {text}"

    def _about_key(self) -> str:
        """Which environment variable the key comes from, as far as litellm can tell."""
        missing = litellm.validate_environment(self._target)["missing_keys"]
        if missing:
            return f"set the environment variable {' or '.join(missing)}"
        provider = litellm.get_llm_provider(self._target, api_base=self._config.api_base)[1]
        held = [name for name in os.environ if name.startswith(provider.upper()) and name.endswith("_API_KEY")]
        return f"check the environment variable {' or '.join(held) or provider.upper() + '_API_KEY'}"

    def _read(self, response: Any, options: ReplyOptions) -> ModelReply:
        if not getattr(response, "choices", None):
            raise ProviderError(f"model {self._name!r}: the reply holds no choice")
        choice = response.choices[0]
        text = choice.message.content or ""
        reasoning = getattr(choice.message, "reasoning_content", None)
        # Providers that split the thinking off get it joined back, so that every model looks the same to a scaffold.
        if reasoning and options.json_schema is None and "<think>" not in text:
            text = f"<think>\n{reasoning}\n</think>\n{text}"
        if choice.finish_reason == "content_filter" and not text and not choice.message.tool_calls:
            raise ProviderError(f"model {self._name!r}: the provider's content filter withheld the reply")
        usage = getattr(response, "usage", None)
        return ModelReply(
            text=text,
            tool_calls=read_calls(choice.message),
            finish_reason="length" if choice.finish_reason == "length" else "stop",
            usage=Usage(
                prompt_tokens=getattr(usage, "prompt_tokens", 0) or 0,
                completion_tokens=getattr(usage, "completion_tokens", 0) or 0,
                cost_usd=response._hidden_params.get("response_cost") or 0.0,
            ),
        )


def _retry_after_s(problem: Exception) -> float:
    headers = getattr(problem, "litellm_response_headers", None)
    if headers is None:
        headers = getattr(getattr(problem, "response", None), "headers", None) or {}
    try:
        wanted_s = float(headers.get("retry-after", 0))
    except ValueError:
        return 0.0
    return wanted_s if math.isfinite(wanted_s) and wanted_s > 0 else 0.0
