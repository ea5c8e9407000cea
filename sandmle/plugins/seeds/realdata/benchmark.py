"""Makes the task directories of the benchmark `realdata`, and lists them."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sandmle.core.engine.tasks import read_spec, verify_task, write_task
from sandmle.core.errors import StoreError, TaskError, cannot_write, nearest
from sandmle.core.types.synthesis import TaskDraft
from sandmle.core.types.task import TaskLayout
from sandmle.plugins.seeds.builtin import VIEWS, View
from sandmle.plugins.seeds.realdata.config import RealDataConfig
from sandmle.plugins.seeds.realdata.drafting import PROTOCOL, draft_of
from sandmle.plugins.seeds.realdata.rows import FEWEST_ROWS, split_rows
from sandmle.plugins.seeds.shelf import Shelf

log = logging.getLogger(__name__)


class RealData:
    """The real rows of the built-in seeds in repeated splits of at most 200 training rows."""

    def __init__(self, config: RealDataConfig) -> None:
        self._config = config

    def task_dirs(self) -> Sequence[Path]:
        """The task directories, made where they are not there yet (which takes minutes).

        Raises:
            TaskError: no such seed, or a directory is not as it was made.
        """
        shelf = Shelf()
        found: list[Path] = []
        for view in self._views():
            loaded: tuple[Any, Any] | None = None
            for repeat in range(self._config.repeats):
                target = self._config.path / self._task_id(view, repeat)
                if not TaskLayout(target).spec.is_file():
                    loaded = loaded or view.load(shelf)
                    if len(loaded[1]) < FEWEST_ROWS:
                        break
                    self._make(view, loaded, repeat)
                else:
                    refuse_altered(target)
                found.append(target)
        return sorted(found)

    def _views(self) -> list[View]:
        known = [view.seed_id for view in VIEWS]
        for seed_id in self._config.seed_ids:
            if seed_id not in known:
                raise TaskError(f"plugin.benchmark.realdata.seed_ids: no seed {seed_id!r}; {nearest(seed_id, known)}")
        return [view for view in VIEWS if not self._config.seed_ids or view.seed_id in self._config.seed_ids]

    def _task_id(self, view: View, repeat: int) -> str:
        return f"real-{view.seed_id}-{self._config.rng_seed}-{repeat}"

    def _make(self, view: View, loaded: tuple[Any, Any], repeat: int) -> None:
        rng_seed = self._config.rng_seed
        open_folder(self._config.path)
        log.info("making the real task %s", self._task_id(view, repeat))
        split = split_rows(view, loaded[0], np.asarray(loaded[1]), f"realdata:{view.seed_id}:{rng_seed}:{repeat}")
        put(self._config.path, draft_of(split, self._task_id(view, repeat), rng_seed, repeat))


def refuse_altered(target: Path) -> None:
    """See that a task made earlier is as it was made, and made as it would be now.

    Raises:
        TaskError: it is not.
    """
    if problems := verify_task(target):
        raise TaskError(f"{problems[0].message}; remove {target} to have it made again")
    if read_spec(target).provenance.versions.get("realdata") != PROTOCOL:
        raise TaskError(f"{target} was made by an older protocol; remove it, and it is made again")


def open_folder(folder: Path) -> None:
    """Make the folder of the tasks before their boards are fitted, which takes time.

    Raises:
        UsageError: there can be none of that name.
        StoreError: the machine failed.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise cannot_write(folder, problem) from problem


def put(folder: Path, draft: TaskDraft) -> None:
    """Write a task, unless another run has made it meanwhile.

    Raises:
        TaskError: what stands there is something else.
        StoreError: it could not be written.
    """
    try:
        write_task(folder, draft)
    except (TaskError, StoreError):
        if verify_task(folder / draft.spec.task_id):
            raise
