"""The section `[plugin.scaffold.one-call]` of a user's configuration."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class OneCallConfig(BaseModel):
    """Unknown keys are refused, with the nearest known one in the message."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    repairs: Annotated[int, Field(ge=0)] = 1
    """How often the model may mend its program."""
