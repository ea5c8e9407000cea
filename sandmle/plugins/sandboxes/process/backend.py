"""The `process` sandbox: zygotes, the level they reach here, and sessions spread over them."""

import asyncio
import itertools
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sandmle.core.errors import SandboxError
from sandmle.core.types.sandbox import CellStatus, IsolationLevel, SandboxLimits
from sandmle.plugins.sandboxes.config import ProcessConfig
from sandmle.plugins.sandboxes.isolation import Plan, plans, session_uid
from sandmle.plugins.sandboxes.isolation.probes import Verdict, attack
from sandmle.plugins.sandboxes.process.host import ZygoteProcess
from sandmle.plugins.sandboxes.process.session import ProcessSession, open_session

_CANARY_TIMEOUT_S: Final = 15.0


@dataclass(slots=True)
class _Place:
    """Where one zygote stands; the lock is held while it is replaced."""

    zygote: ZygoteProcess | None = None
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)


class ProcessSandbox:
    """Sessions forked from preloaded interpreters; see `Sandbox` for what its methods promise."""

    def __init__(self, config: ProcessConfig) -> None:
        self._config = config
        self._plan: Plan | None = None
        self._verdicts: tuple[Verdict, ...] = ()
        self._places = [_Place() for _ in range(config.zygotes)]
        self._uids = itertools.count()
        self._is_closed = False

    @property
    def name(self) -> str:
        """The registered name."""
        return "process"

    @property
    def level(self) -> IsolationLevel:
        """What the start-up probes showed.

        Raises:
            SandboxError: before `start`.
        """
        if self._plan is None:
            raise SandboxError("the process sandbox has not been started")
        return self._plan.level

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """The start-up probes of the level reached; empty before `start`."""
        return self._verdicts

    async def start(self) -> None:
        """Start the zygotes at the strongest level whose probes hold."""
        if not sys.platform.startswith("linux"):
            raise SandboxError(
                f"the process sandbox needs Linux (this is {sys.platform}): "
                "run SandMLE in a Linux container or virtual machine"
            )
        reasons: list[str] = []
        for plan in plans(self._config.strongest, allow_unsafe=self._config.allow_unsafe):
            try:
                await self._try(plan)
            except SandboxError as problem:
                reasons.append(f"{plan.level}: {problem}")
            else:
                break
        else:
            await self.close()
            raise SandboxError(
                "no isolation holds on this machine ("
                + "; ".join(reasons)
                + "); set allow_unsafe = true to go on without, if you trust what will run"
            )
        await asyncio.gather(*(self._zygote(place) for place in self._places[1:]))

    def session(self, *, public_dir: Path | None, limits: SandboxLimits) -> AbstractAsyncContextManager[ProcessSession]:
        """Fork a session in the zygote that has the fewest."""
        return self._session(public_dir, limits)

    async def check_health(self) -> None:
        """Run a canary in every zygote, and replace those that fail."""
        problems = [problem for place in self._places if (problem := await self._check(place)) is not None]
        if problems:
            raise SandboxError(f"{'; '.join(problems)} (it has been started again)")

    async def close(self) -> None:
        """End every zygote with its sessions."""
        self._is_closed = True
        for place in self._places:
            async with place.changing:
                if place.zygote is not None:
                    await place.zygote.close()
                    place.zygote = None

    async def _try(self, plan: Plan) -> None:
        """Start the first zygote as `plan` says and attack it from inside."""
        zygote = await ZygoteProcess.start(plan, self._config)
        try:
            async with open_session(zygote, None, SandboxLimits(), self._uid()) as session:
                verdicts = await attack(session)
            broken = [one.name for one in verdicts if not one.held]
            if broken and plan.level is not IsolationLevel.L0:
                raise SandboxError(f"these attacks got through: {', '.join(broken)}")
        except BaseException:
            await zygote.close()
            raise
        self._places[0].zygote = zygote
        self._plan, self._verdicts = plan, verdicts

    @asynccontextmanager
    async def _session(self, public_dir: Path | None, limits: SandboxLimits) -> AsyncIterator[ProcessSession]:
        if public_dir is not None:
            public_dir = public_dir.resolve()
            if not public_dir.is_dir():
                raise SandboxError(f"the public directory {public_dir} is not there")
        place = min(self._places, key=lambda one: one.zygote.load if one.zygote else 0)
        zygote = await self._zygote(place)
        async with open_session(zygote, public_dir, limits, self._uid()) as session:
            yield session

    async def _zygote(self, place: _Place) -> ZygoteProcess:
        """The living zygote of `place`, started again when it is dead."""
        async with place.changing:
            if self._plan is None or self._is_closed:
                raise SandboxError("the process sandbox is not running: start it first")
            if place.zygote is not None and place.zygote.death is None:
                return place.zygote
            if place.zygote is not None:
                await place.zygote.close()
                place.zygote = None
            place.zygote = await ZygoteProcess.start(self._plan, self._config)
            return place.zygote

    async def _check(self, place: _Place) -> str | None:
        """What is wrong with a zygote, after having replaced it; None when its canary passes."""
        zygote = place.zygote
        if zygote is not None and zygote.death is None:
            try:
                async with open_session(zygote, None, SandboxLimits(), self._uid()) as session:
                    result = await session.run("print(6 * 7)", _CANARY_TIMEOUT_S)
                if result.status is CellStatus.OK and result.stdout == "42\n":
                    return None
                zygote.give_up(f"its canary session answered {result.status}: {result.stderr}")
            except SandboxError as problem:
                zygote.give_up(f"its canary session failed: {problem}")
        reason = "it was never started" if zygote is None else zygote.death
        await self._zygote(place)
        return f"the zygote was lost: {reason}"

    def _uid(self) -> int:
        return session_uid(next(self._uids))
