"""The configuration sections of the built-in sandboxes."""

import os

from pydantic import BaseModel, ConfigDict, Field

from sandmle.core.types.sandbox import IsolationLevel

_ZYGOTES_AT_MOST = 4


def _some_zygotes() -> int:
    return max(1, min(_ZYGOTES_AT_MOST, len(os.sched_getaffinity(0)) // 2))


class ProcessConfig(BaseModel):
    """`[plugin.sandbox.process]`: sessions forked from a preloaded interpreter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    zygotes: int = Field(default_factory=_some_zygotes, ge=1, le=256)
    """Preloaded interpreters to fork from; sessions are spread over them."""
    preload: tuple[str, ...] = ("numpy", "pandas", "sklearn", "PIL")
    """Modules imported before forking; those not installed are left out."""
    strongest: IsolationLevel = IsolationLevel.L3
    """The strongest isolation to try; what is reached is for the start-up probes to show."""
    allow_unsafe: bool = False
    """Go on when nothing stronger than resource limits holds on this machine (level L0)."""
    start_timeout_s: float = Field(default=60.0, gt=0)
    """How long a zygote may take to import its modules, seconds."""


class JupyterConfig(BaseModel):
    """`[plugin.sandbox.jupyter]`: one enclosed Jupyter kernel for each session."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    strongest: IsolationLevel = IsolationLevel.L3
    """The strongest isolation to try; what is reached is for the start-up probes to show."""
    allow_unsafe: bool = False
    """Go on when nothing stronger than resource limits holds on this machine (level L0)."""
    spares: int = Field(default=1, ge=0, le=64)
    """Processes that are kept ready to become kernels."""
    preload: tuple[str, ...] = ("numpy", "pandas", "sklearn", "PIL")
    """Modules a spare process imports while it waits; those not installed are left out."""
    start_timeout_s: float = Field(default=60.0, gt=0)
    """How long a kernel may take to start, seconds."""
