"""What both trainers hold a run to: its directory, for one process at a time, and the words it was asked for in."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from sandmle.core.engine.line_log import LineLog, open_log
from sandmle.core.engine.store import CONFIG, agree, locked
from sandmle.core.engine.tasks import Task
from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.errors import ConfigError, RunError
from sandmle.core.hooks.registry import Kind

METRICS: Final = "metrics.jsonl"
"""One line per step."""
EVALUATIONS: Final = "evaluations.jsonl"
"""One line per evaluation."""
_FREE: Final = {
    *("trackers", "concurrency", "cells_at_once", "starts_at_once", "starts_per_s"),
    *("model", "benchmark", "group_size"),
}
"""Keys of `[run]` that a training does not take from there, or that decide only how fast it is."""
_PLAYING: Final = (Kind.SANDBOX, Kind.SCAFFOLD, Kind.MILESTONE)
"""Kinds whose plugin sections decide what an episode is."""


@contextmanager
def held(out: Path, record: Mapping[str, Any]) -> Iterator[tuple[LineLog, LineLog]]:
    """Hold the output directory of a training asked for in these words; gives its logs of steps and evaluations.

    Raises:
        RunError: another process holds it, or it was begun with another configuration (with the diff).
    """
    with ExitStack() as stack:
        try:
            out.mkdir(parents=True, exist_ok=True)
            if any(out.iterdir()) and not (out / CONFIG).is_file():
                raise RunError(f"{out} is not empty and no training run; name a new or empty directory")
            stack.enter_context(locked(out))
            agree(out, record)
            logs = [stack.enter_context(open_log(out / name)) for name in (METRICS, EVALUATIONS)]
        except OSError as problem:
            raise RunError(f"the directory {out} cannot be used: {problem.strerror or problem}") from problem
        yield logs[0], logs[1]


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The records of such a log."""
    for line in path.read_text("utf-8").splitlines():
        yield json.loads(line)


def played_record(toolkit: Toolkit) -> dict[str, Any]:
    """What must not change, between two starts of a training, about how its episodes are played and rewarded."""
    settings = toolkit.settings
    return {
        "run": settings.run.model_dump(mode="json", exclude_none=True, exclude=_FREE),
        "reward": dict(settings.reward.presets[settings.run.reward]),
        "plugin": {one.value: toolkit.lasting_sections(one) for one in _PLAYING if one.value in settings.plugin},
    }


def refuse_overlap(training: Sequence[Task], validation: Sequence[Task]) -> None:
    """Refuse to choose a checkpoint by the tasks that it was trained on.

    Raises:
        ConfigError: a task is among both.
    """
    both = {task.spec.task_id for task in training} & {task.spec.task_id for task in validation}
    if both:
        raise ConfigError(f"{len(both)} validation tasks are training tasks, too, such as {min(both)!r}; split them")
