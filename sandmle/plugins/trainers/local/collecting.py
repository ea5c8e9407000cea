"""Plays the groups of a step, and fills up what the infrastructure or a lack of variance has left of them."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sandmle.core.engine.advantage import Verdict
from sandmle.core.engine.attempt import Crew
from sandmle.core.engine.evaluation import failure_rates
from sandmle.core.engine.recording import derived
from sandmle.core.engine.store import read_episodes, read_failures
from sandmle.core.engine.tasks import Task
from sandmle.core.engine.toolkit import Toolkit
from sandmle.plugins.trainers.local.config import GrpoConfig
from sandmle.plugins.trainers.local.groups import Group, judge, order_of
from sandmle.plugins.trainers.local.playing import Stage, open_stage


class Collector:
    """Plays into `steps/` of an output directory; what has been played there is read and not played again."""

    def __init__(
        self, toolkit: Toolkit, config: GrpoConfig, root: Path, crew: Crew, tasks: Sequence[Task], drain: asyncio.Event
    ) -> None:
        self._toolkit = toolkit
        self._config = config
        self._root = root
        self._crew = crew
        self._tasks = tasks
        self._drain = drain

    async def play(self, step: int, version: int) -> list[Group]:
        """The groups of a step, as many of them kept as it takes tasks, if the refills are enough for that.

        A group of which the infrastructure has left fewer than half is played on in further slots; one without
        variance is replaced by a group of another task.

        Args:
            step: counted from 1.
            version: of the policy that plays what has not been played.

        Raises:
            Stopped: a drain was asked for.
            InfrastructureError: too many failures in a row, or records cannot be written.
        """
        config = self._config
        rng_seed = derived(self._toolkit.settings.run.rng_seed, "rollout", step)
        crew = replace(self._crew, sampling=replace(self._crew.sampling, rng_seed=rng_seed), policy_version=version)
        groups: list[Group] = []
        waiting = order_of(self._tasks, step, config.tasks_per_step, self._toolkit.settings.run.rng_seed)
        by_id = {task.spec.task_id: task for task in waiting}
        with open_stage(self._toolkit, self._folder(step), config.group_size, self._drain) as stage:
            for _ in range(1 + config.refills):
                for at, group in enumerate(groups):
                    if group.judged.verdict is Verdict.TOO_FEW:
                        groups[at] = await self._fill_up(stage, crew, by_id[group.episodes[0].task_id], group)
                # A group that is still too small has its place: it is played on, not replaced.
                missing = config.tasks_per_step - sum(
                    group.judged.verdict is not Verdict.ZERO_VARIANCE for group in groups
                )
                chosen, waiting = waiting[:missing], waiting[missing:]
                if chosen:
                    played = await stage.play(crew, chosen, config.group_size)
                    groups += [judge(episodes, config.estimator, config.group_size) for episodes in played]
        return groups

    def failure_rates(self, step: int) -> dict[str, float]:
        """Infrastructure failures of a step per action of each kind, those that a retry made good included."""
        folder = self._folder(step)
        return failure_rates(tuple(read_failures(folder)), read_episodes(folder))

    def _folder(self, step: int) -> Path:
        return self._root / "steps" / f"{step:04d}"

    async def _fill_up(self, stage: Stage, crew: Crew, task: Task, group: Group) -> Group:
        missing = self._config.group_size - group.counting
        [episodes] = await stage.play(crew, [task], len(group.episodes) + missing)
        return judge(episodes, self._config.estimator, self._config.group_size)
