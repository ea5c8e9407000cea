"""What each exception of litellm means for us: worth another try or not, and what to tell a person.

Looked up by class name so that listing the table imports nothing heavy. A test walks litellm's own
exceptions and fails when one is missing here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How one kind of failure is treated."""

    retry: bool
    """Only for what passes by itself: rate limits, overload, broken connections, errors of the server."""
    meaning: str


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

_KEY_STATUS: Final = (401, 403)
_PASSING_STATUS: Final = (408, 409, 425, 429)
"""Statuses of the 4xx family that pass by themselves."""


def verdict_on(problem: BaseException) -> Verdict | None:
    """The verdict on the most specific class of `problem` that the table knows; None for a stranger.

    A refusal by status (4xx) is not tried again whatever class litellm put it in.
    """
    verdict = next((VERDICTS[one.__name__] for one in type(problem).__mro__ if one.__name__ in VERDICTS), None)
    if verdict is None or not verdict.retry:
        return verdict
    if is_authentication(problem):
        return VERDICTS["AuthenticationError"]
    status = _status(problem)
    if 400 <= status < 500 and status not in _PASSING_STATUS:
        return VERDICTS["BadRequestError"]
    return verdict


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
