"""One call of litellm, and what it cost, without the bookkeeping that litellm does for observers when there are none.

For every reply litellm builds a payload for its loggers, on the event loop and again in threads, and prices it twice.
With nobody listening that is most of what a call takes, so it is left out: the function that litellm decorates is
called, and the price is asked for once, of litellm's own calculator.
"""

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from sandmle.core.errors import ProviderError, boundary
from sandmle.plugins.llms.client import litellm

SIGNED: Final = "__thought__"
"""In the id of a tool call, before a signature of Gemini's. Others refuse long ids: litellm takes it off for them."""
_LISTENERS: Final = (
    "callbacks", "input_callback", "success_callback", "failure_callback", "service_callback",
    "_async_input_callback", "_async_success_callback", "_async_failure_callback",
)  # fmt: skip


async def complete(arguments: Mapping[str, Any]) -> Any:
    """Call litellm once. It may alter what it is given, so every call is given its own copy.

    Raises:
        Exception: one of litellm's own, of which `failures.VERDICTS` has the list.
    """
    given = _copied(arguments)
    whole = litellm.acompletion
    plain = getattr(whole, "__wrapped__", None)
    if plain is None or _is_listened_to() or _has_signed_calls(given["messages"]):
        return await whole(**given)
    call_id = str(uuid.uuid4())
    # What the decoration would have made: without it a call has nowhere to note what was sent and answered.
    notes = litellm.Logging(
        model=given["model"],
        messages=given["messages"],
        stream=False,
        call_type="acompletion",
        # litellm compares it with times of its own, which bear no time zone.
        start_time=datetime.now(),
        litellm_call_id=call_id,
        litellm_trace_id=call_id,
        function_id="",
    )
    return await plain(litellm_logging_obj=notes, litellm_call_id=call_id, **given)


def listed_usd(response: Any, model: str, provider: str) -> float | None:
    """What litellm says a response cost: cheaper cached tokens and dearer long prompts included. None if it cannot."""
    told = getattr(response, "_hidden_params", {}).get("response_cost")
    if isinstance(told, float | int):
        return float(told)
    try:
        with boundary(ProviderError, "asking litellm for a price"):
            return float(
                litellm.response_cost_calculator(
                    response_object=response,
                    model=model,
                    custom_llm_provider=provider,
                    call_type="acompletion",
                    optional_params={},
                )
            )
    except ProviderError:
        return None


def _copied(value: Any) -> Any:
    """Dictionaries and lists anew; nothing else in a call can be altered. `copy.deepcopy` takes ten times as long."""
    if isinstance(value, Mapping):
        return {name: _copied(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_copied(one) for one in value]
    return value


def _is_listened_to() -> bool:
    """Whether a plugin has asked litellm to tell it of calls."""
    return any(getattr(litellm, name, None) for name in _LISTENERS)


def _has_signed_calls(messages: list[dict[str, Any]]) -> bool:
    return any(
        SIGNED in str(call.get("id")) for message in messages for call in message.get("tool_calls") or ()
    ) or any(SIGNED in str(message.get("tool_call_id") or "") for message in messages)
