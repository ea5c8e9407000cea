"""What can be configured about ReAct."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class ReactConfig(BaseModel):
    """`[plugin.scaffold.react]`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: Literal["full", "brief"] = "full"
    """`brief` is for small policies: of the description only what it says of the metric, of an error only its last
    line, and at most 600 characters of a tool response."""
    observation_chars: Annotated[int, Field(ge=200)] = 8000
    """Characters of one tool response that the policy sees, head and tail."""
    max_misread: Annotated[int, Field(ge=1)] = 3
    """Replies in a row without anything to do after which the episode ends as stalled."""
