"""The `process` sandbox: zygotes on this machine, at the strongest level whose probes hold."""

import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from sandmle.core.errors import SandboxError
from sandmle.core.types.sandbox import SandboxLimits
from sandmle.plugins.sandboxes.config import ProcessConfig
from sandmle.plugins.sandboxes.isolation import Plan
from sandmle.plugins.sandboxes.isolation.cgroup import Cgroups, open_cgroups
from sandmle.plugins.sandboxes.isolation.choosing import strongest_that_holds
from sandmle.plugins.sandboxes.process.host import ZygoteProcess
from sandmle.plugins.sandboxes.process.launch import launch
from sandmle.plugins.sandboxes.process.session import ProcessSession
from sandmle.plugins.sandboxes.process.zygotes import ZygoteSandbox, existing_directory


class ProcessSandbox(ZygoteSandbox):
    """Sessions forked from preloaded interpreters; see `Sandbox` for what its methods promise."""

    def __init__(self, config: ProcessConfig) -> None:
        super().__init__("process", config.zygotes)
        self._config = config
        self._cgroups: Cgroups | None = None
        self._why_no_cgroups = ""

    @property
    def limits_by(self) -> str:
        """Who sees to it that a session does not use more than it may."""
        return "watchdog" if self._cgroups is None else "cgroup v2"

    @property
    def detail(self) -> str:
        """What the level is made of, who limits sessions and how, and why the level is no stronger."""
        how = self._why_no_cgroups if self._cgroups is None else self._cgroups.bounds
        return "; ".join([self.walls, f"limits by {self.limits_by} ({how})", *self._weaker_because])

    async def start(self) -> None:
        """Start the zygotes at the strongest level whose probes hold."""
        if not sys.platform.startswith("linux"):
            raise SandboxError(
                f"the process sandbox needs Linux (this is {sys.platform}): "
                "run SandMLE in a Linux container or virtual machine"
            )
        self._open_cgroups()
        try:
            _, self._weaker_because = await strongest_that_holds(
                self.name, self._config.strongest, self._try, allow_unsafe=self._config.allow_unsafe
            )
        except SandboxError:
            await self.close()
            raise
        await self._fill()

    def session(self, *, public_dir: Path | None, limits: SandboxLimits) -> AbstractAsyncContextManager[ProcessSession]:
        """Fork a session in the zygote that has the fewest."""
        return self._session(public_dir, limits)

    @asynccontextmanager
    async def _session(self, public_dir: Path | None, limits: SandboxLimits) -> AsyncIterator[ProcessSession]:
        async with self._fork(existing_directory(public_dir), limits) as session:
            yield session

    async def close(self) -> None:
        """End every zygote with its sessions, and remove their cgroups."""
        await super().close()
        if self._cgroups is not None:
            self._cgroups.clear()

    def _open_cgroups(self) -> None:
        """Find out whether sessions get cgroups.

        Raises:
            SandboxError: they shall, and cannot.
        """
        config = self._config
        if config.cgroup == "off":
            self._why_no_cgroups = "cgroup is off"
        elif config.cgroup == "auto" and not config.is_cold:
            self._why_no_cgroups = "a cgroup would make sessions start tens of milliseconds later; cgroup = on has them"
        else:
            try:
                self._cgroups = open_cgroups(config.cgroup_root)
            except OSError as problem:
                if config.cgroup == "on":
                    raise SandboxError(f"no cgroups for sessions, and cgroup is on: {problem}") from problem
                self._why_no_cgroups = str(problem)

    async def _launch(self, plan: Plan) -> ZygoteProcess:
        zygote = launch(plan, self._config)
        zygote.cgroups = self._cgroups
        await zygote.ready(self._config.start_timeout_s)
        return zygote
