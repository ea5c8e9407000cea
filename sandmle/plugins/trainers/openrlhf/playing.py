"""Plays whole episodes in a thread of its own, on an event loop of its own, beside an engine that must not be held up.

Sandbox, scaffold, grader and reward are those of every run, opened once and shared by all episodes of the process. The
rules on failures are those of every run, too: what the infrastructure fails is tried again, and recorded.
"""

import asyncio
import itertools
import logging
import os
import socket
import threading
import uuid
from collections.abc import Coroutine
from concurrent.futures import Future
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

from sandmle.core.contracts.llm import ChatModel
from sandmle.core.engine.attempt import Attempt, Crew
from sandmle.core.engine.budget import Budget
from sandmle.core.engine.crews import CLOSE_DEADLINE_S, START_DEADLINE_S, open_crew
from sandmle.core.engine.deadlines import deadline
from sandmle.core.engine.recording import NO_ACTION, derived
from sandmle.core.engine.runs import caps_of
from sandmle.core.engine.store import FailureRecord, RunStore, open_store
from sandmle.core.engine.tasks import Task, list_tasks
from sandmle.core.engine.toolkit import open_toolkit
from sandmle.core.errors import (
    ConfigError,
    InfrastructureError,
    ProviderError,
    SandmleError,
    StoreError,
    nearest,
)
from sandmle.core.types.episode import Episode
from sandmle.core.types.message import ModelReply, ReplyOptions
from sandmle.plugins.trainers.openrlhf.config import OpenRlhfConfig

ROLLOUTS: Final = "rollouts"
"""Folder beside the resolved configuration: a run directory for each process that plays."""
EPISODES_LONG: Final = 4.0
"""An attempt is given up after so many times an episode's own time, which does not count waiting for a turn."""
SPARE_S: Final = 1_200.0
"""...and so many seconds, for opening, grading and closing."""

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What came of one slot."""

    episode: Episode | None
    """None when the last attempt failed."""
    failure: str | None = None
    after: str = NO_ACTION
    """Kind of the action before the failure."""


class EpisodeThread:
    """Opens what `[run]` of a resolved configuration names, in a thread of its own, and plays single slots."""

    def __init__(self, file: Path) -> None:
        """Start the thread and everything episodes are played with; returns when all of it is ready.

        To be called before the process initializes CUDA, since sandboxes are started by it.

        Args:
            file: the resolved configuration; records go beside it.

        Raises:
            UsageError: configuration or tasks cannot be used.
            PluginError: a plugin needs a package that is not installed.
            InfrastructureError: the sandbox cannot be started, or nothing can be recorded.
        """
        self.toolkit = open_toolkit(file=file)
        self.config = OpenRlhfConfig.model_validate(self.toolkit.settings.options("trainer", "openrlhf"))
        self._tasks = _tasks_of(self.config)
        self._folder = file.parent / ROLLOUTS / _process_name()
        self._slots = itertools.count()
        self._rng_seed = derived(self.toolkit.settings.run.rng_seed, "rollout", self._folder.name)
        self._stack = AsyncExitStack()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="sandmle-episodes", daemon=True)
        self._thread.start()
        try:
            self._crew, self._store = self.submit(self._open()).result(START_DEADLINE_S + CLOSE_DEADLINE_S)
        except BaseException:
            self.close()
            raise

    @property
    def longest_s(self) -> float:
        """Seconds after which one attempt is given up."""
        return EPISODES_LONG * self.toolkit.settings.run.episode_timeout_s + SPARE_S

    @property
    def tries(self) -> int:
        """Attempts at one slot."""
        return 1 + self.toolkit.settings.run.infrastructure_retries

    def submit(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        """Have something done on the thread's event loop. Cancelling the future cancels it there."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def play(self, task_id: str, model: ChatModel) -> Played:
        """Play one slot, again where the infrastructure fails it; on the thread's loop. Nothing of our tree escapes."""
        task = self._tasks.get(task_id)
        if task is None:
            return Played(episode=None, failure=f"no task {task_id!r} here; {nearest(task_id, list(self._tasks))}")
        crew = replace(self._crew, model=model, sampling=replace(self._crew.sampling, rng_seed=self._rng_seed))
        slot = next(self._slots)
        for number in range(1, self.tries + 1):
            attempt = Attempt(crew, task, slot)
            try:
                async with deadline(self.longest_s, ProviderError, f"playing task {task_id}"):
                    episode = await attempt.play()
            except SandmleError as problem:
                self._record(_failure_of(task_id, slot, number, problem, attempt.last_action))
                if isinstance(problem, InfrastructureError):
                    if number < self.tries:
                        continue
                    self._record(attempt.left_out(problem, attempts=number))
                failure = f"{type(problem).__name__}: {problem}"
                return Played(episode=None, failure=failure, after=attempt.last_action)
            else:
                episode = replace(episode, attempts=number)
                self._record(episode)
                return Played(episode=episode)
        raise AssertionError("unreachable: there is at least one try")

    def close(self) -> None:
        """Close sandbox, grader and records, and end the thread. Idempotent."""
        if self._thread.is_alive():
            closing = self.submit(self._stack.aclose())
            try:
                closing.result(CLOSE_DEADLINE_S * 3)
            except (SandmleError, TimeoutError) as problem:
                log.warning("what episodes were played with could not be closed: %s", problem)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(CLOSE_DEADLINE_S)
        if not self._loop.is_running():
            self._loop.close()

    async def _open(self) -> tuple[Crew, RunStore]:
        settings = self.toolkit.settings
        record = {"run": settings.run.model_dump(mode="json", exclude_none=True)}
        store = self._stack.enter_context(open_store(self._folder, record))
        crew = await self._stack.enter_async_context(open_crew(self.toolkit, _NoEngineYet()))
        return replace(crew, budget=Budget(caps_of(settings.budget))), store

    def _record(self, record: Episode | FailureRecord) -> None:
        """Records are for people to read: a disk that takes no more ends no training."""
        try:
            if isinstance(record, Episode):
                self._store.add_episode(record)
            else:
                self._store.add_failure(record)
        except StoreError as problem:
            log.warning("%s", problem)


class _NoEngineYet:
    """Stands in the shared crew; every episode brings the engine that it is played with."""

    name = "openrlhf/engine"

    async def reply(self, messages: object, options: ReplyOptions) -> ModelReply:
        raise ProviderError("an episode was played without an engine")

    async def close(self) -> None:
        """Nothing is open."""


def _tasks_of(config: OpenRlhfConfig) -> dict[str, Task]:
    if config.tasks is None:
        raise ConfigError("the resolved configuration names no tasks: plugin.trainer.openrlhf.tasks")
    folders = [config.tasks, *([config.validation] if config.validation else [])]
    return {task.spec.task_id: task for folder in folders for task in list_tasks(folder)}


def _failure_of(task_id: str, slot: int, number: int, problem: SandmleError, after: str) -> FailureRecord:
    return FailureRecord(
        task_id=task_id,
        slot=slot,
        attempt=number,
        kind=type(problem).__name__,
        error=str(problem),
        after=after,
        at=datetime.now(UTC).isoformat(),
    )


def _process_name() -> str:
    """Unique among all processes that ever write to the folder, on any host."""
    return f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
