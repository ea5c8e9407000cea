"""Options of the built-in roles; apart from the roles, so that listing plugins imports nothing heavy."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class RoleConfig(BaseModel):
    """Options of the roles that run scripts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    script_timeout_s: Annotated[float, Field(gt=0)] = 60.0
    """Deadline of one script; `synthesis.script_timeout_s` unless this role's own section says otherwise."""


class StrategistConfig(BaseModel):
    """`[plugin.role.data-strategist]`; both are taken from `[synthesis]` unless they are set here."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    families: tuple[str, ...] = ()
    """Rule families a plan may have; empty allows any."""
    metrics: tuple[str, ...] = ()
    """Metrics a plan may have; empty allows any."""
