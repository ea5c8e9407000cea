"""A provider without latency: litellm's own door for custom ones, behind which the scripted model answers at once."""

import json
from typing import Any, Final

from overhead_parts.clock import PartClock
from overhead_parts.world import says
from sandmle.plugins.llms import tries
from sandmle.plugins.llms.asking import complete
from sandmle.plugins.llms.client import CustomLLM, litellm

PREFIX: Final = "scripted"
MODEL: Final = "the model itself"
LITELLM: Final = "litellm"


class ScriptedLlm(CustomLLM):
    """Answers at once; the model's name is that of the scaffold it speaks to."""

    def __init__(self, clock: PartClock) -> None:
        super().__init__()
        self._clock = clock

    async def acompletion(  # type: ignore[override]
        self, *, model: str, messages: list[Any], model_response: Any, **_: Any
    ) -> Any:
        return await self._clock.charged(_answer(model, messages, model_response), MODEL)


async def _answer(scaffold: str, messages: list[Any], response: Any) -> Any:
    text, calls = says(scaffold, messages), None
    if scaffold == "openai_tools":
        function = {"name": "run_python", "arguments": json.dumps({"code": text})}
        text, calls = "", [{"id": f"call_{len(messages)}", "type": "function", "function": function}]
    message = litellm.Message(role="assistant", content=text, tool_calls=calls)
    response.choices = [litellm.Choices(index=0, finish_reason="tool_calls" if calls else "stop", message=message)]
    response.usage = litellm.Usage(prompt_tokens=100, completion_tokens=20, total_tokens=120)
    return response


def register(clock: PartClock) -> None:
    """Tell litellm of the provider, and have its own work charged to it."""
    litellm.custom_provider_map.append({"provider": PREFIX, "custom_handler": ScriptedLlm(clock)})
    litellm.utils.custom_llm_setup()  # type: ignore[no-untyped-call]
    tries.complete = lambda arguments: clock.charged(complete(arguments), LITELLM)
