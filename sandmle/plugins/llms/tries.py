"""One model asked until it answers: its turn at the provider, its deadline, another try for what passes by itself."""

import asyncio
import logging
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from typing import Any, Final

from sandmle.core.errors import ProviderError
from sandmle.core.types.message import Message, ModelReply, ReplyOptions
from sandmle.plugins.llms.asking import complete, listed_usd
from sandmle.plugins.llms.calls import Target, sending_arguments, wire_call_arguments
from sandmle.plugins.llms.client import exceptions, litellm
from sandmle.plugins.llms.failures import (
    LATE,
    VERDICTS,
    Verdict,
    is_authentication,
    is_rate_limit,
    retry_after_s,
    verdict_on,
)
from sandmle.plugins.llms.limits import AdaptiveLimit
from sandmle.plugins.llms.replies import Asked, read_response

FAILURES: Final = tuple(getattr(exceptions, name) for name in VERDICTS if hasattr(exceptions, name))
"""Every exception that litellm raises. Versions differ a little in which there are."""
MESSAGE_CHARS: Final = 600
"""Characters of a provider's own error text that are shown."""

KEYED: Final = frozenset({"anthropic", "deepseek", "gemini", "groq", "mistral", "openai", "openrouter", "xai"})
"""Providers that answer nobody without a key, which comes from a variable that litellm knows."""

log = logging.getLogger(__name__)


class ContextExceededError(ProviderError):
    """The conversation leaves no room for an answer: the agent's doing, where no other model is asked."""


class _LateError(Exception):
    """One try took longer than a try may."""


class Tries:
    """Asks one target; any number of replies may be under way."""

    def __init__(self, target: Target, limit: AdaptiveLimit) -> None:
        self.target = target
        self._limit = limit
        self._told: set[str] = set()
        self._listed = not target.own_price and not target.free
        """Whether litellm may know what a reply costs."""

    async def reply(self, messages: Sequence[Message], options: ReplyOptions, deadline_s: float) -> ModelReply:
        """Answer the conversation within `deadline_s`, in which waiting for a turn at the provider does not count.

        Raises:
            ContextExceededError: the conversation is too long.
            ProviderError: the key, the request, the provider or the connection; the message says which.
        """
        arguments = wire_call_arguments(self.target, messages, options)
        arguments |= sending_arguments(self.target, options.timeout_s)
        shown: list[object] = []
        arguments["logger_fn"] = lambda details: shown.append(details.get("original_response"))
        failed: list[str] = []
        try:
            async with asyncio.timeout(deadline_s) as scope:
                response = await self._ask(arguments, scope, failed)
        except TimeoutError as problem:
            if not scope.expired():
                raise
            before = f"; before that: {failed[-1]}" if failed else ""
            # Another request may have been told so, of which this one's own failures say nothing.
            pause_s = self._limit.pause_s
            alone = f"; the provider asked to be left alone for {pause_s:.0f} s more" if pause_s else ""
            said = f"model {self.target.name!r}: no reply within {deadline_s:g} s{before}{alone}"
            raise ProviderError(said) from problem
        raw = next((one for one in reversed(shown) if isinstance(one, str)), None)
        asked = Asked(target=self.target, messages=messages, options=options, raw=raw, listed_usd=self._price(response))
        return read_response(response, asked)

    async def _ask(self, arguments: dict[str, Any], scope: asyncio.Timeout, failed: list[str]) -> Any:
        config = self.target.config
        pause_s = config.backoff_s
        while True:
            try:
                return await self._once(arguments, scope)
            except (*FAILURES, _LateError) as problem:
                verdict = LATE if isinstance(problem, _LateError) else verdict_on(problem)
                self._give_up(problem, verdict, len(failed))
                failed.append(verdict.meaning if verdict else "")
                wanted_s = max(min(pause_s, config.max_backoff_s), retry_after_s(problem, time.time()))
                self._tell(failed[-1], wanted_s)
            await asyncio.sleep(wanted_s)
            pause_s *= 2

    async def _once(self, arguments: dict[str, Any], scope: asyncio.Timeout) -> Any:
        async with AsyncExitStack() as stack:
            with _standing_still(scope):
                await stack.enter_async_context(self._limit.turn())
            began_at = await self._limit.rested()
            try:
                async with asyncio.timeout(self.target.config.try_timeout_s) as one_try:
                    response = await complete(arguments)
            except FAILURES as problem:
                if is_rate_limit(problem):
                    self._limit.rate_limited(began_at, retry_after_s(problem, time.time()))
                raise
            except TimeoutError:
                if one_try.expired():
                    raise _LateError(f"no answer within {self.target.config.try_timeout_s:g} s") from None
                raise
            self._limit.succeeded()
            return response

    def _price(self, response: Any) -> float | None:
        """What litellm says the reply cost. A model that its list does not have is asked about once."""
        if not self._listed:
            return None
        usd = listed_usd(response, self.target.model, self.target.provider)
        self._listed = usd is not None or self.target.prices is not None
        return usd

    def _give_up(self, problem: Exception, verdict: Verdict | None, retries: int) -> None:
        """Raise unless another try makes sense."""
        most = self.target.config.num_retries
        if verdict is not None and verdict.tries is not None:
            most = min(most, verdict.tries - 1)
        if verdict is not None and verdict.retry and retries < most:
            return
        error = ContextExceededError if isinstance(problem, exceptions.ContextWindowExceededError) else ProviderError
        raise error(self._explain(problem, verdict, retries)) from problem

    def _tell(self, meaning: str, pause_s: float) -> None:
        """Say what is tried again: aloud once per kind, since a thousand episodes would say it a thousand times."""
        level = logging.DEBUG if meaning in self._told else logging.WARNING
        self._told.add(meaning)
        log.log(level, "model %r: %s; trying again in %.3g s", self.target.name, meaning, pause_s)

    def _explain(self, problem: Exception, verdict: Verdict | None, retries: int) -> str:
        meaning = verdict.meaning if verdict else type(problem).__name__
        if is_authentication(problem):
            meaning += f"; {self._about_key()}"
        meaning += self._about_address(verdict)
        tried = f" (after {retries} further {'try' if retries == 1 else 'tries'})" if retries else ""
        text = " ".join(str(problem).split())
        text = text if len(text) <= MESSAGE_CHARS else text[:MESSAGE_CHARS] + "..."
        return f"model {self.target.name!r}: {meaning}{tried}: {text}"

    @property
    def lacks(self) -> str | None:
        """What to do before it can be asked: set its key. None where it has one, or may do without."""
        target = self.target
        # Another address, another sort of key: whoever has set something of this provider's is asked to find out.
        prefixes = (f"{target.provider.upper()}_", *(("GOOGLE_",) if target.provider == "gemini" else ()))
        told = {name: word.strip() for name, word in os.environ.items() if name.startswith(prefixes)}
        if target.provider not in KEYED or any(told.values()) or target.config.api_base or target.headers:
            return None
        # To litellm a variable that holds nothing is set.
        empty = [name for name in told if name.endswith("_API_KEY")]
        if empty:
            return f"the environment variable {' and '.join(empty)} is empty; put the key into it"
        missing = litellm.validate_environment(target.model)["missing_keys"]
        return f"set the environment variable {' or '.join(missing)}" if missing else None

    def _about_address(self, verdict: Verdict | None) -> str:
        """What to look at where the address is the user's own, and the failure may be its."""
        address = self.target.api_base
        if address and verdict is VERDICTS["APIConnectionError"]:
            return f" at {address}"
        if address and verdict is VERDICTS["NotFoundError"] and not address.endswith("/v1"):
            return f", or nothing answers below {address}; for openai/ and hosted_vllm/ an address ends in /v1"
        return ""

    def _about_key(self) -> str:
        """Which environment variable the key comes from, as far as litellm can tell."""
        missing = litellm.validate_environment(self.target.model)["missing_keys"]
        if missing:
            return f"set the environment variable {' or '.join(missing)}"
        provider = self.target.provider.upper()
        held = [name for name in os.environ if name.startswith(provider) and name.endswith("_API_KEY")]
        return f"check the environment variable {' or '.join(held) or provider + '_API_KEY'}"


@contextmanager
def _standing_still(scope: asyncio.Timeout) -> Iterator[None]:
    """Stop the time of `scope` inside the block; it goes on afterwards with what was left of it."""
    loop, until = asyncio.get_running_loop(), scope.when()
    left_s = None if until is None else until - loop.time()
    scope.reschedule(None)
    yield
    scope.reschedule(None if left_s is None else loop.time() + left_s)
