"""The sections `[plugin.sandbox.metered]` and `[plugin.milestone.lean]` of a user's configuration."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

SECONDS = 300.0
"""What a session may run and what an episode is judged by, unless it is said otherwise."""


class MeteredConfig(BaseModel):
    """Unknown keys are refused, with the nearest known one in the message."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    inner: str = "process"
    """The sandbox that keeps the code in."""
    seconds: Annotated[float, Field(gt=0)] = SECONDS
    """Running time of all cells of a session together."""


class LeanConfig(BaseModel):
    """Unknown keys are refused, with the nearest known one in the message."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seconds: Annotated[float, Field(gt=0)] = SECONDS
    """Running time from which on nothing is paid."""
