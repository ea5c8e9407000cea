"""One try at one episode: the world is opened, the scaffold plays, what came of it is graded and rewarded."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from sandmle.core.contracts.grader import Grader
from sandmle.core.contracts.llm import ChatModel
from sandmle.core.contracts.sandbox import Sandbox
from sandmle.core.contracts.scaffold import EpisodeContext, EpisodeOver, Scaffold, needed_actions
from sandmle.core.engine.budget import Budget
from sandmle.core.engine.deadlines import deadline
from sandmle.core.engine.environment import NEED_SESSION, Environment, Rules
from sandmle.core.engine.leases import Leases
from sandmle.core.engine.own_time import BlockedError
from sandmle.core.engine.recording import NO_ACTION, RecordingContext, Sampling
from sandmle.core.engine.scoring import Preset, reward_of
from sandmle.core.engine.tasks import Task
from sandmle.core.errors import InfrastructureError, PluginError
from sandmle.core.types.episode import Episode, Outcome, Timings
from sandmle.core.types.message import Usage
from sandmle.core.types.score import Grade, Thresholds
from sandmle.core.types.trajectory import StopReason, Trajectory


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """Everything an episode is played with, open and ready."""

    model: ChatModel
    scaffold: Scaffold
    sandbox: Sandbox
    grader: Grader
    preset: Preset
    rules: Rules
    sampling: Sampling
    policy_version: int = 0
    leases: Leases = field(default_factory=Leases)
    budget: Budget = field(default_factory=Budget)


class Attempt:
    """One try at a slot."""

    def __init__(self, crew: Crew, task: Task, slot: int) -> None:
        self._crew = crew
        self._task = task
        self._slot = slot
        self._started_at = datetime.now(UTC).isoformat()
        self._context: RecordingContext | None = None

    @property
    def last_action(self) -> str:
        """Kind of the last action begun; `none` when there was none."""
        return self._context.last_action if self._context else NO_ACTION

    async def play(self) -> Episode:
        """Play the episode to its end, grade it and reward it.

        Raises:
            InfrastructureError: the machinery failed.
            BudgetError: a cap of the run or of the task was reached before the episode was over.
            PluginError: the scaffold or a milestone failed in its own code.
        """
        crew = self._crew
        rules = crew.rules
        opened_at = time.monotonic()
        async with Environment(
            task=self._task, sandbox=crew.sandbox, grader=crew.grader, rules=rules, leases=crew.leases
        ) as environment:
            view = await environment.reset()
            if NEED_SESSION & needed_actions(crew.scaffold):
                environment.open_ahead()
            context = RecordingContext(
                view=view,
                slot=self._slot,
                environment=environment,
                model=crew.model,
                sampling=crew.sampling,
                limits=rules.limits,
                feedback=rules.feedback,
                opened_at=opened_at,
                budget=crew.budget,
            )
            self._context = context
            reason = await self._run_scaffold(context)
            grade = await environment.conclude()
            outcome = Outcome.SCORED if grade is not None and grade.valid else Outcome.UNSCORED
            episode = self._record(outcome, reason, grade)
        return replace(episode, reward=reward_of(episode, crew.preset))

    def left_out(self, failure: InfrastructureError, attempts: int) -> Episode:
        """The record of a slot that the infrastructure failed on every try."""
        episode = self._record(Outcome.INFRASTRUCTURE, None, None)
        return replace(episode, attempts=attempts, failure=f"{type(failure).__name__}: {failure}")

    async def _run_scaffold(self, context: RecordingContext) -> StopReason:
        name, own_time = self._crew.scaffold.name, context.own_time
        try:
            async with deadline(own_time.longest_s(), _ScaffoldFailedError, f"scaffold {name!r}") as scope:
                own_time.limit(scope)
                with own_time.playing():
                    await self._play_through(context)
        except _ScaffoldFailedError as problem:
            if context.failure is not None:
                raise context.failure from problem
            raise PluginError(
                f"{problem} (task {self._task.spec.task_id}, slot {self._slot}); this is a defect of the scaffold"
            ) from problem
        # A scaffold that swallowed the failure of the machinery has not thereby played to an end.
        if context.failure is not None:
            raise context.failure
        return context.end()

    async def _play_through(self, context: RecordingContext) -> None:
        try:
            run: Callable[[EpisodeContext], Awaitable[object]] = self._crew.scaffold.run
            returned = await run(context)
            if returned is not None:
                raise TypeError(f"run() returned a {type(returned).__name__}; it ends an episode by returning nothing")
        except EpisodeOver as over:
            context.stop = context.stop or over.reason
        except BaseExceptionGroup as group:
            # Of a scaffold that asks or acts in several tasks at once.
            ends, other = group.split(EpisodeOver)
            if ends is None or other is not None:
                first = _first(other or group)
                raise RuntimeError(f"in a group of tasks: {type(first).__name__}: {first}") from group
            context.stop = context.stop or _first(ends).reason
        except SystemExit as problem:
            # It would end the event loop and every other episode with it.
            raise RuntimeError(f"it tried to end the program: SystemExit: {problem}") from problem
        except asyncio.CancelledError as problem:
            # Where nobody has asked for it, it would end a worker without a word, and its slot with it.
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
            raise RuntimeError("it cancelled itself: CancelledError") from problem
        except BlockedError as problem:
            raise RuntimeError(str(problem)) from problem

    def _record(self, outcome: Outcome, reason: StopReason | None, grade: Grade | None) -> Episode:
        spec, crew, context = self._task.spec, self._crew, self._context
        return Episode(
            episode_id=f"{spec.task_id}/{self._slot}",
            task_id=spec.task_id,
            slot=self._slot,
            outcome=outcome,
            stop_reason=reason,
            model=crew.model.name,
            scaffold=crew.scaffold.name,
            sandbox=crew.sandbox.name,
            level=crew.sandbox.level,
            feedback=crew.rules.feedback,
            policy_version=crew.policy_version,
            trajectory=context.trajectory() if context else Trajectory(segments=(), steps=()),
            grade=grade,
            thresholds=Thresholds(**spec.thresholds.model_dump()),
            direction=spec.metric.direction,
            reward=None,
            usage=context.usage if context else Usage(),
            timings=context.timings() if context else Timings(),
            attempts=1,
            failure=None,
            started_at=self._started_at,
        )


def _first(problem: BaseException) -> Any:
    """The first exception in a group, however deep it stands."""
    while isinstance(problem, BaseExceptionGroup):
        problem = problem.exceptions[0]
    return problem


class _ScaffoldFailedError(InfrastructureError):
    """A foreign exception out of a scaffold, on its way to being that plugin's failure. Never escapes this file."""
