"""Tasks in, episodes out: k slots per task, so many at once, each attempt's failure laid at the right door.

What the agent does wrong is data. What the infrastructure does wrong is recorded and the slot tried again,
then left out of its group. What a plugin does wrong ends its episode and is said at the end, when all others have
been played; its slot is played again when the run is resumed.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from sandmle.core.engine.attempt import Attempt, Crew
from sandmle.core.engine.budget import RUN
from sandmle.core.engine.store import FailureRecord, RunStore
from sandmle.core.engine.tasks import Task
from sandmle.core.errors import BudgetError, InfrastructureError, PluginError, SandmleError
from sandmle.core.hooks.events import BudgetReached, EpisodeFinished, Event, InfrastructureFailed
from sandmle.core.types.episode import Episode

FAILURES_IN_A_ROW: Final = 10
"""Infrastructure failures without a finished episode between them that end the run..."""
FAILURES_OF_EACH: Final = 4
"""...or this many times the episodes under way, if that is more: one lost machine may fail all of those at once."""
PLUGIN_FAILURES_IN_A_ROW: Final = 10
"""Episodes that a plugin ended without a finished one between them, after which it is broken for all of them."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run is to hold."""

    run_id: str
    tasks: Sequence[Task]
    group_size: int
    concurrency: int
    infrastructure_retries: int

    def slots(self) -> Iterator[tuple[Task, int]]:
        """Every slot, group by group."""
        for task in self.tasks:
            for slot in range(self.group_size):
                yield task, slot


class Rollout:
    """Fills the slots of a run that are not recorded yet."""

    def __init__(self, crew: Crew, plan: Plan, store: RunStore, emit: Callable[[Event], None]) -> None:
        self._crew = crew
        self._plan = plan
        self._store = store
        self._emit = emit
        self._failed_in_a_row = 0
        self._by_plugins: list[PluginError] = []
        self._by_plugins_in_a_row = 0
        self._bearable = max(FAILURES_IN_A_ROW, FAILURES_OF_EACH * plan.concurrency)
        self._left_out: list[Episode] = []
        self._spent: dict[str, BudgetError] = {}

    @property
    def budget_problems(self) -> tuple[str, ...]:
        """Which caps stopped the run, or a task of it, in words."""
        return tuple(str(problem) for problem in self._spent.values())

    async def run(self, drain: asyncio.Event) -> None:
        """Play every slot that is not recorded; once `drain` is set, only finish those under way.

        Raises:
            InfrastructureError: too many failures in a row, or records cannot be written.
            PluginError: a plugin failed in its own code, in one episode or more; the others have been played.
        """
        done = self._store.done
        waiting = (slot for slot in self._plan.slots() if (slot[0].spec.task_id, slot[1]) not in done)
        failure: BaseException | None = None
        try:
            async with asyncio.TaskGroup() as workers:
                for _ in range(self._plan.concurrency):
                    workers.create_task(self._work(waiting, drain))
        except BaseExceptionGroup as group:
            # The first failure cancelled the other workers; there is nothing to say about those.
            failure = group.exceptions[0]
        if failure is not None:
            raise failure
        if not drain.is_set() and RUN not in self._spent:
            self._flush_left_out()
        if self._by_plugins:
            raise self._plugin_failure() from self._by_plugins[0]

    async def _work(self, waiting: Iterator[tuple[Task, int]], drain: asyncio.Event) -> None:
        for task, slot in waiting:
            if drain.is_set() or RUN in self._spent:
                return
            try:
                self._crew.budget.check(task.spec.task_id)
                await self._fill(task, slot, drain)
            except BudgetError as problem:
                self._note_spent(problem)

    async def _fill(self, task: Task, slot: int, drain: asyncio.Event) -> None:
        tries = 1 + self._plan.infrastructure_retries
        for number in range(1, tries + 1):
            attempt = Attempt(self._crew, task, slot)
            try:
                episode = await attempt.play()
            except InfrastructureError as problem:
                self._note_failure(task, slot, number, problem, attempt.last_action)
                if number == tries:
                    self._left_out.append(attempt.left_out(problem, attempts=tries))
                elif drain.is_set():
                    return
            except PluginError as problem:
                self._note_plugin_failure(task, slot, number, problem, attempt.last_action)
                return
            else:
                self._failed_in_a_row = self._by_plugins_in_a_row = 0
                self._flush_left_out()
                self._keep(replace(episode, attempts=number))
                return

    def _note_spent(self, problem: BudgetError) -> None:
        if problem.scope not in self._spent:
            self._spent[problem.scope] = problem
            self._emit(BudgetReached(run_id=self._plan.run_id, scope=problem.scope, problem=str(problem)))

    def _note_plugin_failure(self, task: Task, slot: int, number: int, problem: PluginError, after: str) -> None:
        self._store.add_failure(_record_of(task, slot, number, problem, after))
        log.warning("an episode was ended by its plugin: %s", problem)
        self._by_plugins.append(problem)
        self._by_plugins_in_a_row += 1
        if self._by_plugins_in_a_row >= PLUGIN_FAILURES_IN_A_ROW:
            raise self._plugin_failure() from problem

    def _plugin_failure(self) -> PluginError:
        first, count = self._by_plugins[0], len(self._by_plugins)
        more = f" ({count} episodes were ended like this; the failures are in failures.jsonl)" if count > 1 else ""
        return PluginError(
            f"{first}{more}: everything finished is kept, and the same command goes on once the plugin is repaired"
        )

    def _note_failure(self, task: Task, slot: int, number: int, problem: InfrastructureError, after: str) -> None:
        record = _record_of(task, slot, number, problem, after)
        self._store.add_failure(record)
        self._emit(
            InfrastructureFailed(
                run_id=self._plan.run_id,
                task_id=record.task_id,
                slot=slot,
                attempt=number,
                error=f"{record.kind}: {record.error}",
                after=after,
            )
        )
        self._failed_in_a_row += 1
        if self._failed_in_a_row >= self._bearable:
            raise type(problem)(
                f"{self._failed_in_a_row} infrastructure failures in a row; the run has stopped, what is finished is "
                f"kept, and the same command goes on from there. The last failure: {problem}"
            ) from problem

    def _flush_left_out(self) -> None:
        # Slots are left out only once the machinery is seen to work again, or every slot has been tried: what a
        # lasting outage failed before the run was stopped is still to be played when it is resumed.
        for episode in self._left_out:
            self._keep(episode)
        self._left_out.clear()

    def _keep(self, episode: Episode) -> None:
        self._store.add_episode(episode)
        self._emit(
            EpisodeFinished(
                run_id=self._plan.run_id,
                task_id=episode.task_id,
                slot=episode.slot,
                outcome=episode.outcome.value,
                medal=episode.grade.medal.value if episode.grade else "none",
                reward=episode.reward.total if episode.reward else None,
                wall_s=episode.timings.total_s,
            )
        )


def _record_of(task: Task, slot: int, number: int, problem: SandmleError, after: str) -> FailureRecord:
    return FailureRecord(
        task_id=task.spec.task_id,
        slot=slot,
        attempt=number,
        kind=type(problem).__name__,
        error=str(problem),
        after=after,
        at=datetime.now(UTC).isoformat(),
    )
