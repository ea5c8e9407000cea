"""The configuration sections of the built-in sandboxes."""

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from sandmle.core.types.sandbox import IsolationLevel

_ZYGOTES_AT_MOST = 4


def _some_zygotes() -> int:
    return max(1, min(_ZYGOTES_AT_MOST, len(os.sched_getaffinity(0)) // 2))


class _Heavy(BaseModel):
    """What sessions with long and heavy cells need."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cold: bool = False
    """A fresh interpreter for each session, with as many threads as there are processors, instead of a fork of a
    preloaded one."""
    gpus: Literal["all"] | tuple[Annotated[int, Field(ge=0)], ...] = ()
    """Numbers of the NVIDIA GPUs that sessions may use, or `all`; then sessions are cold."""

    @property
    def is_cold(self) -> bool:
        """Whether sessions are fresh interpreters."""
        return self.cold or bool(self.gpus)


class ProcessConfig(_Heavy):
    """`[plugin.sandbox.process]`: sessions forked from a preloaded interpreter."""

    zygotes: int = Field(default_factory=_some_zygotes, ge=1, le=256)
    """Preloaded interpreters to fork from; sessions are spread over them."""
    spares: int = Field(default=1, ge=0, le=64)
    """Sessions each of them keeps ready, of each of the last four kinds asked for (limits and public files)."""
    preload: tuple[str, ...] = ("numpy", "pandas", "sklearn", "PIL")
    """Modules imported before forking; those not installed are left out."""
    strongest: IsolationLevel = IsolationLevel.L3
    """The strongest isolation to try; what is reached is for the start-up probes to show."""
    allow_unsafe: bool = False
    """Go on when nothing stronger than resource limits holds on this machine (level L0)."""
    start_timeout_s: float = Field(default=60.0, gt=0)
    """How long a zygote may take to import its modules, seconds."""
    cgroup: Literal["auto", "on", "off"] = "auto"
    """Give each session a cgroup (v2) of its own, in which the kernel bounds memory and processes: `auto` does for
    cold sessions where this process may divide its own cgroup, `on` does for all or does not start. Elsewhere a
    watchdog looks at memory, ten times a second."""
    cgroup_root: Path | None = None
    """The cgroup to divide; else the one this process is in."""


class JupyterConfig(BaseModel):
    """`[plugin.sandbox.jupyter]`: one enclosed Jupyter kernel for each session."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    strongest: IsolationLevel = IsolationLevel.L3
    """The strongest isolation to try; what is reached is for the start-up probes to show."""
    allow_unsafe: bool = False
    """Go on when nothing stronger than resource limits holds on this machine (level L0)."""
    kernel: str | None = None
    """Name of a kernel as `jupyter kernelspec list` shows it, started cold for each session; else our own ipykernel,
    forked with everything imported."""
    readable: tuple[str, ...] = ()
    """More directories of this machine that `kernel` needs, beside its prefix and the system's libraries."""
    spares: int = Field(default=1, ge=0, le=64)
    """Kernels kept ready, of each of the last two kinds asked for (limits and public files)."""
    preload: tuple[str, ...] = ("numpy", "pandas", "sklearn", "PIL")
    """Modules imported before forking; those not installed are left out."""
    start_timeout_s: float = Field(default=60.0, gt=0)
    """How long a kernel may take to start, seconds."""


class DockerConfig(_Heavy):
    """`[plugin.sandbox.docker]`: sessions forked from a preloaded interpreter inside a hardened container."""

    image: str = Field(default="sandmle/sandbox", min_length=1)
    """The image to run. It needs Python 3.11 or newer and nothing else; it is never pulled."""
    python: str = Field(default="python3", min_length=1)
    """The interpreter inside the image."""
    engine: str | None = Field(default=None, pattern=r"^unix://.")
    """Address of an engine on this machine, as `unix:///path`; else `DOCKER_HOST`, else the usual sockets."""
    containers: int = Field(default=1, ge=1, le=64)
    """Containers with a preloaded interpreter each; sessions are spread over them."""
    spares: int = Field(default=1, ge=0, le=64)
    """Sessions each of them keeps ready, of each of the last four kinds asked for (limits and public files)."""
    preload: tuple[str, ...] = ("numpy", "pandas", "sklearn", "PIL")
    """Modules imported before forking; those not installed are left out."""
    lend_libraries: bool = True
    """Show this machine's installed packages, read-only, in an image that lacks one of `preload` and has
    the same version of Python."""
    memory_mb: int | None = Field(default=None, ge=256)
    """Memory of one container with all its sessions and their files, MiB; else three quarters of the machine's."""
    processes: int = Field(default=4096, ge=64)
    """Processes and threads of one container."""
    copy_mb: int = Field(default=256, ge=0)
    """Public files up to this size, MiB, are copied to where the container sees them; with more, or with more than
    20,000 of them, a session gets a container of its own that has them mounted."""
    allow_unsafe: bool = False
    """Go on when sessions inside one container cannot be kept apart on this machine (level L0)."""
    start_timeout_s: float = Field(default=120.0, gt=0)
    """How long a container may take to start and to import its modules, seconds."""
