"""The `jupyter` sandbox: one kernel for each session, at the strongest level that holds here."""

import asyncio
import itertools
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Final

from sandmle.core.contracts.sandbox import SandboxSession
from sandmle.core.errors import SandboxError
from sandmle.core.types.sandbox import CellStatus, IsolationLevel, SandboxLimits
from sandmle.plugins.sandboxes.config import JupyterConfig
from sandmle.plugins.sandboxes.isolation import Plan, session_uid
from sandmle.plugins.sandboxes.isolation.choosing import GotThroughError, strongest_that_holds
from sandmle.plugins.sandboxes.isolation.probes import Verdict, attack
from sandmle.plugins.sandboxes.isolation.survey import survey
from sandmle.plugins.sandboxes.jupyter.kernel import Kernel, Order
from sandmle.plugins.sandboxes.jupyter.nursery import Nursery, launch_cold
from sandmle.plugins.sandboxes.jupyter.ready import ReadyKernels
from sandmle.plugins.sandboxes.jupyter.session import JupyterSession
from sandmle.plugins.sandboxes.jupyter.specs import Program, find_program

_CANARY_TIMEOUT_S: Final = 60.0


class JupyterSandbox:
    """Sessions on Jupyter kernels of their own; see `Sandbox` for what the methods promise."""

    def __init__(self, config: JupyterConfig) -> None:
        self._config = config
        self._plan: Plan | None = None
        self._verdicts: tuple[Verdict, ...] = ()
        self._kernels: set[Kernel] = set()
        self._nursery = Nursery(config.preload)
        self._program: Program | None = None
        self._ready = ReadyKernels(config.spares, self._start)
        self._uids = itertools.count()
        # Starting is all work and no waiting: more at once than processors only makes each one late.
        self._starting = asyncio.Semaphore(len(os.sched_getaffinity(0)))
        self._is_closed = False
        self._weaker_because: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The registered name."""
        return "jupyter"

    @property
    def level(self) -> IsolationLevel:
        """What the start-up probes showed.

        Raises:
            SandboxError: before `start`.
        """
        if self._plan is None:
            raise SandboxError("the jupyter sandbox has not been started")
        return self._plan.level

    @property
    def limits_by(self) -> str:
        """Who sees to it that a session does not use more than it may: its guardian."""
        return "watchdog"

    @property
    def walls(self) -> str:
        """What the level reached is made of; empty before `start`."""
        return self._plan.walls if self._plan else ""

    @property
    def weaker_because(self) -> tuple[str, ...]:
        """Why the level is weaker than the one asked for; empty where it is not."""
        return self._weaker_because

    @property
    def detail(self) -> str:
        """What the level is made of and why it is no stronger, and who limits sessions."""
        return "; ".join([self.walls, f"limits by {self.limits_by}", *self._weaker_because])

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """The start-up probes of the level reached; empty before `start`."""
        return self._verdicts

    async def start(self) -> None:
        """Find the strongest level at which attacks from inside a kernel fail."""
        if not sys.platform.startswith("linux"):
            raise SandboxError(
                f"the jupyter sandbox needs Linux (this is {sys.platform}): "
                "run SandMLE in a Linux container or virtual machine"
            )
        program = None
        if self._config.kernel is not None:
            program = await asyncio.to_thread(find_program, self._config.kernel, self._config.readable)
        try:
            self._plan, self._weaker_because = await strongest_that_holds(
                self.name, self._config.strongest, self._probe, allow_unsafe=self._config.allow_unsafe
            )
        except SandboxError:
            await self.close()
            raise
        if program is not None:
            # The attacks are written in Python; what keeps a kernel in is the same whoever made it.
            await self._nursery.close()
            self._program = program
            await self.check_health()

    def session(self, *, public_dir: Path | None, limits: SandboxLimits) -> AbstractAsyncContextManager[JupyterSession]:
        """Start a kernel."""
        if self._plan is None or self._is_closed:
            raise SandboxError("the jupyter sandbox is not running: start it first")
        return self._session(self._plan, public_dir, limits)

    async def survey(self, session: SandboxSession) -> tuple[Verdict, ...]:
        """Attack from inside `session`, harmlessly, and say what is open."""
        return await survey(session)

    async def check_health(self) -> None:
        """Run a canary in another kernel; a zygote that was lost is started again for it."""
        is_python = self._program is None or self._program.language == "python"
        code, expected = ("print(6 * 7)", "42\n") if is_python else ("", "")
        async with self.session(public_dir=None, limits=SandboxLimits()) as session:
            result = await session.run(code, _CANARY_TIMEOUT_S)
        if result.status is not CellStatus.OK or result.stdout != expected:
            raise SandboxError(
                f"a fresh Jupyter kernel answered {result.status} to a trivial cell ({result.stderr.strip()}); "
                "the machine cannot run kernels now, look at its load, memory and disk"
            )

    async def close(self) -> None:
        """End every kernel."""
        self._is_closed = True
        await self._ready.close()
        await asyncio.gather(*(kernel.close() for kernel in self._kernels))
        await self._nursery.close()

    async def _probe(self, plan: Plan) -> None:
        """Attack the machine from inside a kernel enclosed as `plan` says.

        Raises:
            GotThroughError: an attack did.
            SandboxError: no such kernel can be had.
        """
        limits = SandboxLimits()
        async with self._using(await self._start(plan, limits, None), limits, None) as session:
            verdicts = await attack(session)
        broken = [one.name for one in verdicts if not one.held]
        if broken and plan.level is not IsolationLevel.L0:
            raise GotThroughError(f"these attacks got through: {', '.join(broken)}")
        self._verdicts = verdicts

    @asynccontextmanager
    async def _session(
        self, plan: Plan, public_dir: Path | None, limits: SandboxLimits
    ) -> AsyncIterator[JupyterSession]:
        if public_dir is not None:
            public_dir = public_dir.resolve()
            if not public_dir.is_dir():
                raise SandboxError(f"the public directory {public_dir} is not there")
        kernel = await self._ready.take(plan, limits, public_dir)
        async with self._using(kernel, limits, public_dir) as session:
            yield session

    @asynccontextmanager
    async def _using(
        self, kernel: Kernel, limits: SandboxLimits, public_dir: Path | None
    ) -> AsyncIterator[JupyterSession]:
        self._kernels.add(kernel)
        try:
            if self._is_closed:
                raise SandboxError("the jupyter sandbox was closed while a kernel started")
            yield JupyterSession(kernel, limits, has_data=public_dir is not None)
        finally:
            self._kernels.discard(kernel)
            await asyncio.shield(kernel.close())

    async def _start(self, plan: Plan, limits: SandboxLimits, public_dir: Path | None) -> Kernel:
        """A kernel that runs cells."""
        order = Order(
            plan=plan,
            limits=limits,
            public_dir=public_dir,
            uid=session_uid(next(self._uids)),
            program=self._program,
        )
        async with self._starting:
            if self._program is None:
                kernel = await self._nursery.fork(self._config.start_timeout_s)
            else:
                kernel = launch_cold()
            await kernel.start(order, self._config.start_timeout_s)
        return kernel
