"""The `docker` sandbox: zygotes in hardened containers, sessions forked and enclosed once more inside."""

import asyncio
import contextlib
import logging
import os
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Final

from sandmle.core.errors import SandboxError
from sandmle.core.types.sandbox import IsolationLevel, SandboxLimits
from sandmle.plugins.sandboxes.config import DockerConfig
from sandmle.plugins.sandboxes.docker import layout
from sandmle.plugins.sandboxes.docker.container import Berth, launch
from sandmle.plugins.sandboxes.docker.engine import Engine
from sandmle.plugins.sandboxes.docker.folder import Folder
from sandmle.plugins.sandboxes.docker.stage import Stage, take_stock
from sandmle.plugins.sandboxes.isolation import Plan
from sandmle.plugins.sandboxes.process.host import ZygoteProcess
from sandmle.plugins.sandboxes.process.session import ProcessSession, open_session
from sandmle.plugins.sandboxes.process.zygotes import ZygoteSandbox, existing_directory

_LOG: Final = logging.getLogger(__name__)
_FIRST_UID: Final = 20_000
_UIDS: Final = 40_000
"""Below 65,536, which is what engines with user namespaces have for a container."""
_UIDS_EACH: Final = 64
_MIB: Final = 1024 * 1024
_FOR_ALL: Final = stat.S_IROTH | stat.S_IXOTH


class DockerSandbox(ZygoteSandbox):
    """Sessions forked inside containers; see `Sandbox` for what its methods promise.

    The container is the outer ring. Inside it sessions are kept from one another by Landlock, seccomp
    and limits, as where no namespaces are allowed.
    """

    def __init__(self, config: DockerConfig) -> None:
        super().__init__("docker", config.containers)
        self._config = config
        self._folder: Folder | None = None
        self._engine: Engine | None = None
        self._berth: Berth | None = None
        self._stage: Stage | None = None
        self._large: set[ZygoteProcess] = set()
        self._started = 0

    @property
    def level(self) -> IsolationLevel:
        """L1 where the start-up probes held, L0 where sessions of one container are not kept apart."""
        inside = super().level
        return inside if inside is IsolationLevel.L0 else IsolationLevel.L1

    async def start(self) -> None:
        """Reach the engine, clear away what dead hosts left there, start the containers and attack from inside."""
        if not sys.platform.startswith("linux"):
            raise SandboxError(f"the docker sandbox needs an engine on the same Linux kernel (this is {sys.platform})")
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(self.close)
            await self._prepare()
            try:
                await self._try(Plan(namespaces=False))
            except SandboxError as problem:
                if not self._config.allow_unsafe:
                    raise
                self._weaker_because = (f"L1: {problem}",)
                _LOG.warning("the docker sandbox is at level L0 and not at L1: %s", problem)
                await self._try(Plan(namespaces=False, kernel_rules=False))
            await self._fill()
            stack.pop_all()

    def session(self, *, public_dir: Path | None, limits: SandboxLimits) -> AbstractAsyncContextManager[ProcessSession]:
        """Fork a session in the container that has the fewest."""
        return self._session(public_dir, limits)

    async def close(self) -> None:
        """End every container, and remove what was made for them."""
        await super().close()
        for zygote in list(self._large):
            await zygote.close()
        self._berth = None
        if self._engine is not None:
            self._engine.close()
            self._engine = None
        if self._folder is not None:
            await asyncio.to_thread(self._folder.close)
            self._folder = None

    async def _prepare(self) -> None:
        engine = self._engine = await asyncio.to_thread(Engine, self._config.engine)
        await asyncio.to_thread(engine.reap)
        image = await asyncio.to_thread(engine.image_id, self._config.image)
        memory_mb = self._config.memory_mb or await asyncio.to_thread(engine.memory_mb) * 3 // 4
        self._folder = Folder()
        public = self._folder.path / "public"
        public.mkdir()
        public.chmod(0o755)
        self._stage = Stage(public)
        self._berth = Berth(
            engine=engine,
            config=self._config,
            image=image,
            memory_mb=memory_mb,
            folder=self._folder.path,
            public=public,
        )

    @asynccontextmanager
    async def _session(self, public_dir: Path | None, limits: SandboxLimits) -> AsyncIterator[ProcessSession]:
        public_dir = existing_directory(public_dir)
        if self._stage is None or self._plan is None or self._is_closed:
            raise SandboxError("the docker sandbox is not running: start it first")
        async with contextlib.AsyncExitStack() as stack:
            if public_dir is None:
                yield await stack.enter_async_context(self._fork(None, limits))
                return
            inventory = await asyncio.to_thread(take_stock, public_dir, self._config.copy_mb * _MIB)
            if inventory is None:
                yield await stack.enter_async_context(self._session_with(self._plan, public_dir, limits))
                return
            inside = await stack.enter_async_context(self._stage.lend(public_dir, inventory))
            yield await stack.enter_async_context(self._fork(inside, limits))

    @asynccontextmanager
    async def _session_with(self, plan: Plan, large: Path, limits: SandboxLimits) -> AsyncIterator[ProcessSession]:
        """A session in a container of its own, which has the public files mounted."""
        if os.stat(large).st_mode & _FOR_ALL != _FOR_ALL:
            raise SandboxError(
                f"the public directory {large} is too large to be copied for a container (copy_mb) and its user "
                f"there may not read it: chmod -R o+rX {large}"
            )
        zygote = await self._start(plan, large)
        self._large.add(zygote)
        try:
            async with open_session(zygote, Path(layout.LARGE), limits, self._uid()) as session:
                yield session
        finally:
            self._large.discard(zygote)
            await asyncio.shield(zygote.close())

    async def _launch(self, plan: Plan) -> ZygoteProcess:
        return await self._start(plan, None)

    async def _start(self, plan: Plan, large: Path | None) -> ZygoteProcess:
        if self._berth is None:
            raise SandboxError("the docker sandbox is not running: start it first")
        # Each container has a user id of its own, because the kernel counts processes by it on the whole machine.
        uid = _FIRST_UID + (os.getpid() * _UIDS_EACH + self._started % _UIDS_EACH) % _UIDS
        self._started += 1
        return await launch(self._berth, plan, uid, large)
