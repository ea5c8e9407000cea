"""A sandbox made of zygotes, whatever they run in: probed once, sessions spread over them, replaced when lost."""

import asyncio
import itertools
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sandmle.core.contracts.sandbox import SandboxSession
from sandmle.core.errors import SandboxError
from sandmle.core.types.sandbox import CellStatus, IsolationLevel, SandboxLimits
from sandmle.plugins.sandboxes.isolation import Plan, session_uid
from sandmle.plugins.sandboxes.isolation.choosing import GotThroughError
from sandmle.plugins.sandboxes.isolation.probes import Verdict, attack
from sandmle.plugins.sandboxes.isolation.survey import survey
from sandmle.plugins.sandboxes.process.host import UIDS_A_SESSION, ZygoteProcess
from sandmle.plugins.sandboxes.process.session import ProcessSession, StillbornError, open_session

_CANARY_TIMEOUT_S: Final = 120.0
"""A canary takes milliseconds; on a machine with hundreds of busy processes it may wait long for its turn."""
_FORKS_OF_ONE: Final = 5000
"""Sessions after which a zygote is replaced, so that nothing that grows with them grows for ever."""


@dataclass(slots=True)
class _Place:
    """Where one zygote stands; the lock is held while it is replaced."""

    zygote: ZygoteProcess | None = None
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)


class ZygoteSandbox(ABC):
    """What the sandboxes that fork their sessions from zygotes have in common.

    A subclass has `start`, which calls `_try` and then `_fill`, `session`, which calls `_fork`, and
    `_launch`.
    """

    def __init__(self, name: str, zygotes: int) -> None:
        self._name = name
        self._plan: Plan | None = None
        self._verdicts: tuple[Verdict, ...] = ()
        self._weaker_because: tuple[str, ...] = ()
        self._places = [_Place() for _ in range(zygotes)]
        self._retired: set[ZygoteProcess] = set()
        self._checking = asyncio.Lock()
        self._next_check: asyncio.Task[None] | None = None
        self._uids = itertools.count()
        self._is_closed = False

    @property
    def name(self) -> str:
        """The registered name."""
        return self._name

    @property
    def level(self) -> IsolationLevel:
        """What the start-up probes showed.

        Raises:
            SandboxError: before `start`.
        """
        if self._plan is None:
            raise SandboxError(f"the {self._name} sandbox has not been started")
        return self._plan.level

    @property
    def limits_by(self) -> str:
        """Who sees to it that a session does not use more than it may."""
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
    def verdicts(self) -> tuple[Verdict, ...]:
        """The start-up probes of the level reached; empty before `start`."""
        return self._verdicts

    async def survey(self, session: SandboxSession) -> tuple[Verdict, ...]:
        """Attack from inside `session`, harmlessly, and say what is open."""
        return await survey(session)

    async def check_health(self) -> None:
        """Run a canary in every zygote, and replace those that fail."""
        # Whoever asks while one check is under way shares the next one with all who ask meanwhile.
        if self._next_check is None:
            self._next_check = asyncio.create_task(self._check_all())
            self._next_check.add_done_callback(_retrieved)
        await asyncio.shield(self._next_check)

    async def _check_all(self) -> None:
        async with self._checking:
            self._next_check = None
            await self._check_each()

    async def _check_each(self) -> None:
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
        await asyncio.gather(*(zygote.close() for zygote in self._retired))
        self._retired.clear()

    @abstractmethod
    async def _launch(self, plan: Plan) -> ZygoteProcess:
        """A zygote that is warm and encloses its sessions as `plan` says.

        Raises:
            SandboxError: there is none to be had.
        """

    async def _try(self, plan: Plan) -> None:
        """Start the first zygote as `plan` says and attack it from inside."""
        zygote = await self._launch(plan)
        try:
            async with open_session(zygote, None, SandboxLimits(), self._uid()) as session:
                verdicts = await attack(session)
            broken = [one.name for one in verdicts if not one.held]
            if broken and plan.level is not IsolationLevel.L0:
                raise GotThroughError(f"these attacks got through: {', '.join(broken)}")
        except BaseException:
            await zygote.close()
            raise
        self._places[0].zygote = zygote
        self._plan, self._verdicts = plan, verdicts

    async def _fill(self) -> None:
        """Start the other zygotes as the first one."""
        await asyncio.gather(*(self._zygote(place) for place in self._places[1:]))

    @asynccontextmanager
    async def _fork(self, public_dir: Path | None, limits: SandboxLimits) -> AsyncIterator[ProcessSession]:
        """A session of the zygote that has the fewest; `public_dir` is a path as the zygote sees it."""
        zygote = await self._zygote(min(self._places, key=_burden))
        async with AsyncExitStack() as stack:
            try:
                session = await stack.enter_async_context(open_session(zygote, public_dir, limits, self._uid()))
            except SandboxError as problem:
                if zygote.death is None and not isinstance(problem, StillbornError):
                    raise
                # It was lost before it was anybody's; another does as well, but not one that may be dying, too.
                zygote = await self._zygote(min(self._places, key=_burden))
                opening = open_session(zygote, public_dir, limits, self._uid(), fresh=True)
                session = await stack.enter_async_context(opening)
            yield session
        await self._close_retired()

    async def _close_retired(self) -> None:
        for zygote in [one for one in self._retired if one.load == 0]:
            self._retired.discard(zygote)
            await zygote.close()

    async def _zygote(self, place: _Place) -> ZygoteProcess:
        """The living zygote of `place`, started again when it is dead."""
        async with place.changing:
            if self._plan is None or self._is_closed:
                raise SandboxError(f"the {self._name} sandbox is not running: start it first")
            old = place.zygote
            if old is not None and old.death is None and old.forks < _FORKS_OF_ONE:
                return old
            place.zygote = None
            if old is not None and old.load:
                self._retired.add(old)
            elif old is not None:
                await old.close()
            place.zygote = await self._launch(self._plan)
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
        """A session's user id; those that follow it go to sessions forked ahead."""
        return session_uid(UIDS_A_SESSION * next(self._uids))


def _burden(place: _Place) -> tuple[bool, int]:
    """Orders the places by how gladly they take a session: those to be started anew come last."""
    zygote = place.zygote
    return (zygote is None or zygote.death is not None, zygote.load if zygote else 0)


def _retrieved(task: "asyncio.Task[None]") -> None:
    """Mark a failure as seen, in case everyone who asked for the check was cancelled."""
    if not task.cancelled():
        task.exception()


def existing_directory(public_dir: Path | None) -> Path | None:
    """The absolute path of the public files, which must be there.

    Raises:
        SandboxError: they are not.
    """
    if public_dir is None:
        return None
    public_dir = public_dir.resolve()
    if not public_dir.is_dir():
        raise SandboxError(f"the public directory {public_dir} is not there")
    return public_dir
