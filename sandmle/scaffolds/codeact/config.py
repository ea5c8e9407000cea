"""What can be configured about CodeAct."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class CodeActConfig(BaseModel):
    """`[plugin.scaffold.codeact]`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    observation_chars: Annotated[int, Field(ge=200)] = 8000
    """Characters of one observation that the policy sees, head and tail."""
    max_misread: Annotated[int, Field(ge=1)] = 3
    """Replies in a row without code and without a solution after which the episode ends as stalled."""
