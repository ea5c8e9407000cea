"""`corpus`: task directories that lie in one folder, as `sandmle synth` leaves them, or that a manifest lists."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

from sandmle.core.engine.tasks import task_dirs


class CorpusConfig(BaseModel):
    """`[plugin.benchmark.corpus]`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Path
    """A folder of task directories, one task directory, or a manifest that lists some."""

    @model_validator(mode="before")
    @classmethod
    def _named(cls, section: Any) -> Any:
        if section in ({}, {"path": None}):
            raise ValueError("no tasks are named; give --tasks DIR, or `path` in this section")
        return section


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """The task directories that `path` stands for."""

    path: Path

    def task_dirs(self) -> Sequence[Path]:
        """The task directories, sorted by name.

        Raises:
            TaskError: there is none, or the manifest lists something else.
        """
        return list(task_dirs(self.path))
