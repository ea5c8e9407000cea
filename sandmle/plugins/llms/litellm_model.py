"""Every model that litellm can reach, as a `ChatModel`: our deadlines, retries, fallbacks, limits and cache.

litellm's own retries, budgets, caches and its default deadline of 6000 s are not used.
"""

import logging
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from sandmle.core.engine.soundness import readable
from sandmle.core.errors import ConfigError, ProviderError, boundary, nearest
from sandmle.core.types.message import Message, ModelReply, ReplyOptions
from sandmle.plugins.llms.cache import ReplyCache, key_of
from sandmle.plugins.llms.calls import Target, wire_call_arguments
from sandmle.plugins.llms.client import close_clients, exceptions, litellm, quiet_litellm
from sandmle.plugins.llms.config import LitellmConfig, read_headers
from sandmle.plugins.llms.limits import AdaptiveLimit
from sandmle.plugins.llms.tries import ContextExceededError, Tries

PREFIX: Final = "litellm/"
"""`litellm/openai/gpt-5` spells the provider out; what litellm itself takes begins after it."""

log = logging.getLogger(__name__)


class LitellmProvider:
    """Opens any `provider/model` string that litellm knows. Its models share what a provider bears."""

    def __init__(self, config: LitellmConfig) -> None:
        self._config = config
        self._limits: dict[tuple[str, str | None], AdaptiveLimit] = {}
        self._cache = ReplyCache(Path(config.cache)) if config.cache else None

    def open_model(self, model: str) -> "LitellmModel":
        """Open `model` and its fallbacks; nothing is sent yet.

        Raises:
            ConfigError: litellm knows no such provider (the message names the nearest), or a header's variable is
                not set.
        """
        quiet_litellm()
        first = self._target(model, inherit=True)
        provider = model.removeprefix(PREFIX).partition("/")[0]
        others = []
        for name in first.config.fallbacks:
            # An address is one provider's: a fallback of another provider has its own, or its provider's usual one.
            same = name.removeprefix(PREFIX).partition("/")[0] == provider
            others.append(self._target(name, inherit=same))
        return LitellmModel([Tries(one, self._limit(one)) for one in (first, *others)], self._cache)

    def _target(self, name: str, *, inherit: bool) -> Target:
        model = name.removeprefix(PREFIX)
        whole = self._config if inherit else self._config.model_copy(update={"api_base": None})
        config = whole.for_model(model)
        provider = _provider_of(name, model, config.api_base)
        # A server of the user's own seldom wants a key; that of a company says so itself.
        missing = litellm.validate_environment(model)["missing_keys"] if config.api_base else ()
        keyless = any(variable.endswith("_API_KEY") for variable in missing)
        headers = read_headers(config.extra_headers, os.environ)
        return Target(name=name, model=model, provider=provider, config=config, headers=headers, keyless=keyless)

    def _limit(self, target: Target) -> AdaptiveLimit:
        key = (target.provider, target.api_base)
        if key not in self._limits:
            self._limits[key] = AdaptiveLimit(self._config.concurrency, self._config.max_concurrency)
        return self._limits[key]


def _provider_of(name: str, model: str, api_base: str | None) -> str:
    if not all(part.strip() for part in model.split("/", 1)):
        raise ConfigError(f"no model {name!r}; write it as provider/model, such as openai/gpt-5 or offline/agent")
    try:
        return str(litellm.get_llm_provider(model, api_base=api_base)[1])
    except exceptions.BadRequestError as problem:
        prefix, slash, _ = model.partition("/")
        known = sorted({*(str(getattr(one, "value", one)) for one in litellm.provider_list), "offline"})
        if not slash:
            hint = "write it as provider/model, such as openai/gpt-5 or offline/agent"
        else:
            close = nearest(prefix, known)
            hint = close if close.startswith("did you mean") else "see litellm's list of providers"
        raise ConfigError(f"no model {name!r}: litellm knows no provider {prefix!r}; {hint}") from problem


class LitellmModel:
    """One model behind litellm, and those asked in its place when it fails. Any number of replies may be under way."""

    def __init__(self, chain: Sequence[Tries], cache: ReplyCache | None = None) -> None:
        """Take the models in the order they are asked."""
        self._chain = chain
        self._cache = cache

    @property
    def name(self) -> str:
        return self._chain[0].target.name

    @property
    def priced(self) -> bool:
        """Whether it is known what replies cost, be it nothing; a cap on money needs that."""
        return all(one.target.prices is not None for one in self._chain)

    @property
    def lacks(self) -> str | None:
        """What to do before it can be asked; None where it, or a model asked in its place, can be."""
        found = [one.lacks for one in self._chain]
        return found[0] if all(found) else None

    async def reply(self, messages: Sequence[Message], options: ReplyOptions) -> ModelReply:
        """Answer the conversation once: from the cache, by the model, or by a fallback, within one deadline.

        Raises:
            ProviderError: the key, the request, the provider or the connection; the message says which.
        """
        with boundary(ProviderError, f"model {self.name!r}"):
            if self._cache is None:
                return await self._ask(messages, options)
            key = key_of(wire_call_arguments(self._chain[0].target, messages, options))
            found = self._cache.find(key)
            if found is not None:
                return replace(found, cached=True)
            reply = await self._ask(messages, options)
            # What only stood in for the model, or was no answer, is asked for again next time.
            if reply.answered_by is None and reply.finish_reason != "context":
                self._cache.keep(key, reply)
            return reply

    async def close(self) -> None:
        """Close litellm's pooled connections.

        The pool is litellm's and shared: a reply of another model that is under way loses its
        connection and is asked again like after any other broken connection.
        """
        await close_clients()

    async def _ask(self, messages: Sequence[Message], options: ReplyOptions) -> ModelReply:
        deadline_s = min(options.timeout_s, self._chain[0].target.config.timeout_s or options.timeout_s)
        began = time.monotonic()
        for left in range(len(self._chain), 0, -1):
            tries = self._chain[-left]
            # Those still to be asked share the time that is left. Queueing for a turn takes nothing from it.
            left_s = deadline_s - (time.monotonic() - began)
            share_s = max(deadline_s / len(self._chain), left_s / left)
            try:
                reply = readable(await tries.reply(messages, options, share_s))
            except ContextExceededError:
                if left == 1:
                    return ModelReply(text="", finish_reason="context")
            except ProviderError as problem:
                if left == 1:
                    raise
                log.warning("%s; asking %r instead", problem, self._chain[-left + 1].target.name)
            else:
                stood_in = tries is not self._chain[0]
                return replace(reply, answered_by=tries.target.name) if stood_in else reply
        raise AssertionError("the last of the chain returns or raises")
