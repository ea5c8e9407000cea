"""What each exception of litellm means for us: worth another try or not, and what to tell a person.

Looked up by class name so that listing the table imports nothing heavy. A test walks litellm's own
exceptions and fails when one is missing here.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How one kind of failure is treated."""

    retry: bool
    """Only for what passes by itself: rate limits, overload, broken connections, errors of the server."""
    meaning: str
    tries: int | None = None
    """At most so many in all; None leaves it to the configuration."""


_AGAIN, _NEVER = True, False


def _verdict(retry: bool, meaning: str) -> Verdict:
    return Verdict(retry=retry, meaning=meaning)


VERDICTS: Final[Mapping[str, Verdict]] = MappingProxyType(
    {
        "APIConnectionError": _verdict(_AGAIN, "no connection to the provider"),
        "APIError": _verdict(_AGAIN, "the provider failed"),
        "APIResponseValidationError": _verdict(_AGAIN, "the provider answered something that is not a reply"),
        "AuthenticationError": _verdict(_NEVER, "the provider refused the key"),
        "BadGatewayError": _verdict(_AGAIN, "a gateway before the provider failed"),
        "BadRequestError": _verdict(_NEVER, "the provider refused the request"),
        "BlockedPiiEntityError": _verdict(_NEVER, "a guardrail blocked personal data in the request"),
        "BudgetExceededError": _verdict(_NEVER, "the budget configured in litellm is used up"),
        "ContentPolicyViolationError": _verdict(_NEVER, "the provider's content policy refused the request"),
        "ContextWindowExceededError": _verdict(_NEVER, "the conversation is longer than the model's context"),
        "GuardrailRaisedException": _verdict(_NEVER, "a guardrail refused the request"),
        "ImageFetchError": _verdict(_NEVER, "the provider could not fetch an image of the request"),
        "InternalServerError": _verdict(_AGAIN, "the provider had an internal error"),
        "InvalidRequestError": _verdict(_NEVER, "the provider refused the request as malformed"),
        "JSONSchemaValidationError": _verdict(_AGAIN, "the reply does not fit the schema asked for"),
        "LiteLLMUnknownProvider": _verdict(_NEVER, "litellm knows no such provider"),
        "MidStreamFallbackError": _verdict(_AGAIN, "the reply broke off"),
        "MockException": _verdict(_NEVER, "litellm's mock raised"),
        "ModifyResponseException": _verdict(_NEVER, "a guardrail replaced the reply"),
        "NotFoundError": _verdict(_NEVER, "the provider has no such model"),
        "OpenAIError": _verdict(_NEVER, "the provider's client failed"),
        "PermissionDeniedError": _verdict(_NEVER, "the key may not use this model"),
        "RateLimitError": _verdict(_AGAIN, "the provider's rate limit was hit"),
        "RejectedRequestError": _verdict(_NEVER, "the request was rejected before it was sent"),
        "SensitiveDataRouteException": _verdict(_NEVER, "a guardrail found sensitive data in the request"),
        "ServiceUnavailableError": _verdict(_AGAIN, "the provider is overloaded or down"),
        "Timeout": _verdict(_AGAIN, "the provider did not answer in time"),
        "UnprocessableEntityError": _verdict(_NEVER, "the provider could not process the request"),
        "UnsupportedParamsError": _verdict(_NEVER, "the model does not know an option it was given"),
        "VectorStoreSearchError": _verdict(_NEVER, "a vector store search of litellm failed"),
    }
)
"""Class name of a litellm exception to what it means."""

LATE: Final = Verdict(retry=True, meaning="the provider did not answer in the time of one try")
GARBAGE: Final = Verdict(retry=True, meaning="the provider answered something that is no reply", tries=2)
"""Its server is something else, or broken: that seldom passes by itself."""
_GARBAGE_WORDS: Final = (
    "empty or invalid response",
    "error converting to valid response",
    "invalid response object",
    "litellm: provider returned",
    "unable to get json response",
)
"""What litellm says where it does not chain the error of its parser."""
_PARSING: Final = (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError)
"""What litellm's readers of answers fail with: JSON that is none, and fields that are missing or of another type."""
_KEY_STATUS: Final = (401, 403)
_UNREACHED: Final = frozenset({"APIConnectionError", "ConnectError", "ConnectTimeout", "ClientConnectorError"})
"""What HTTP clients raise before anything was sent. litellm files some of it under errors of the server."""
_CHAIN: Final = 8
"""Exceptions behind an exception that are looked at."""
_PASSING_STATUS: Final = (408, 409, 425, 429)
"""Statuses of the 4xx family that pass by themselves."""


def verdict_on(problem: BaseException) -> Verdict | None:
    """The verdict on the most specific class of `problem` that the table knows; None for a stranger.

    A refusal by status (4xx) is not tried again whatever class litellm put it in.
    """
    verdict = next((VERDICTS[one.__name__] for one in type(problem).__mro__ if one.__name__ in VERDICTS), None)
    if verdict is None:
        return None
    if _is_garbage(problem) and not is_authentication(problem):
        return GARBAGE
    if not verdict.retry:
        return verdict
    if is_authentication(problem):
        return VERDICTS["AuthenticationError"]
    status = _status(problem)
    if 400 <= status < 500 and status not in _PASSING_STATUS:
        return VERDICTS["BadRequestError"]
    if any(type(one).__name__ in _UNREACHED for one in _chain(problem)):
        return VERDICTS["APIConnectionError"]
    return verdict


def is_rate_limit(problem: BaseException) -> bool:
    """Whether the provider wants fewer requests."""
    return _status(problem) == 429 or "RateLimitError" in {parent.__name__ for parent in type(problem).__mro__}


def retry_after_s(problem: BaseException, now: float) -> float:
    """How long the provider wants to be left alone: seconds, or a date as HTTP has it. 0 where it does not say.

    Args:
        problem: a failure.
        now: seconds since the epoch.
    """
    headers = getattr(problem, "litellm_response_headers", None)
    if headers is None:
        headers = getattr(getattr(problem, "response", None), "headers", None) or {}
    text = str(headers.get("retry-after") or headers.get("llm_provider-retry-after") or "")
    try:
        wanted_s = float(text)
    except ValueError:
        try:
            wanted_s = parsedate_to_datetime(text).timestamp() - now
        except ValueError:
            return 0.0
    return wanted_s if math.isfinite(wanted_s) and wanted_s > 0 else 0.0


def _is_garbage(problem: BaseException) -> bool:
    """Whether the answer arrived and was not the JSON of a reply."""
    for seen in _chain(problem):
        # A certificate that does not hold is a `ValueError`, too.
        is_parsing = isinstance(seen, _PARSING) and not isinstance(seen, OSError)
        if is_parsing or type(seen).__name__ == "APIResponseValidationError":
            return True
    return any(words in str(problem).lower() for words in _GARBAGE_WORDS)


def _chain(problem: BaseException) -> Iterator[BaseException]:
    """A failure and what stands behind it."""
    seen: BaseException | None = problem
    for _ in range(_CHAIN):
        if seen is None:
            return
        yield seen
        seen = seen.__cause__ or seen.__context__


def is_authentication(problem: BaseException) -> bool:
    """Whether the key is what is wrong: refused, or not there at all."""
    names = {parent.__name__ for parent in type(problem).__mro__}
    if names & {"AuthenticationError", "PermissionDeniedError"} or _status(problem) in _KEY_STATUS:
        return True
    # litellm files a missing key under errors of the server.
    return "missing credentials" in str(problem).lower()


def _status(problem: BaseException) -> int:
    status = getattr(problem, "status_code", 0)
    return status if isinstance(status, int) else 0
