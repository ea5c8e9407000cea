"""What can be configured about native function calling."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class OpenaiToolsConfig(BaseModel):
    """`[plugin.scaffold.openai_tools]`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    calls: Literal["native", "text"] = "native"
    """`text` is for models without native tool calls: the functions are described in the prompt, and a call is JSON
    between <tool_call> tags."""
    observation_chars: Annotated[int, Field(ge=200)] = 8000
    """Characters of one tool response that the policy sees, head and tail."""
    max_calls: Annotated[int, Field(ge=1)] = 8
    """Calls of one reply that are executed; further ones are answered as not done."""
    max_misread: Annotated[int, Field(ge=1)] = 3
    """Replies in a row without a call that can be executed after which the episode ends as stalled."""
