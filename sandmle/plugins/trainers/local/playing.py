"""Plays episodes of a step or of an evaluation into a run directory of its own, where a kill loses nothing."""

import asyncio
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sandmle.core.engine.attempt import Crew
from sandmle.core.engine.rollout import Plan, Rollout
from sandmle.core.engine.store import RunStore, open_store, read_episodes
from sandmle.core.engine.tasks import Task, list_tasks, refuse_real
from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.hooks.events import Event
from sandmle.core.types.episode import Episode


class Stopped(Exception):  # noqa: N818 - control flow, not an error
    """A drain was asked for: what was under way is finished, and the same call goes on from there."""


class Stage:
    """One run directory to play into."""

    def __init__(self, store: RunStore, emit: Callable[[Event], None], toolkit: Toolkit, drain: asyncio.Event) -> None:
        self._store = store
        self._emit = emit
        self._settings = toolkit.settings.run
        self._drain = drain

    async def play(self, crew: Crew, tasks: Sequence[Task], group_size: int) -> list[list[Episode]]:
        """Fill every slot that is not recorded; gives each task's episodes in slot order.

        Raises:
            Stopped: a drain was asked for.
            InfrastructureError: too many failures in a row, or records cannot be written.
            PluginError: a plugin failed in its own code.
        """
        plan = Plan(
            run_id=self._store.root.name,
            tasks=tasks,
            group_size=group_size,
            concurrency=self._settings.concurrency,
            infrastructure_retries=self._settings.infrastructure_retries,
        )
        await Rollout(crew, plan, self._store, self._emit).run(self._drain)
        if self._drain.is_set():
            raise Stopped
        groups: dict[str, list[Episode]] = {task.spec.task_id: [] for task in tasks}
        for episode in read_episodes(self._store.root):
            if episode.task_id in groups:
                groups[episode.task_id].append(episode)
        return [sorted(groups[task.spec.task_id], key=lambda one: one.slot) for task in tasks]


@contextmanager
def open_stage(toolkit: Toolkit, root: Path, group_size: int, drain: asyncio.Event) -> Iterator[Stage]:
    """Hold a run directory to play into.

    Raises:
        RunError: it cannot be used.
    """
    free = {"trackers", "concurrency", "cells_at_once", "starts_at_once", "starts_per_s", "model"}
    settings = toolkit.settings.run.model_dump(mode="json", exclude=free)
    with open_store(root, {"run": {**settings, "group_size": group_size}}) as store:

        def emit(event: Event) -> None:
            store.add_event(event)
            toolkit.plugins.emit(event)

        yield Stage(store, emit, toolkit, drain)


def read_tasks(folder: Path) -> list[Task]:
    """The tasks to learn from or to choose checkpoints by: those of a folder or a manifest, by name.

    Raises:
        TaskError: there are none, one cannot be used, or one holds real rows, which no training may see.
    """
    tasks = list_tasks(folder)
    refuse_real(tasks)
    return list(tasks)


def digests(tasks: Sequence[Task]) -> Mapping[str, Any]:
    """What must not change about tasks while a run is resumed."""
    return {task.spec.task_id: hashlib.sha256(task.layout.spec.read_bytes()).hexdigest() for task in tasks}
