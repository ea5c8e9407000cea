"""`corpus`: task directories that lie in one folder, as `sandmle synth` leaves them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from sandmle.core.errors import TaskError
from sandmle.core.types.task import TaskLayout


class CorpusConfig(BaseModel):
    """`[plugin.benchmark.corpus]`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Path
    """A folder of task directories, or one task directory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """The task directories directly below `path`."""

    path: Path

    def task_dirs(self) -> Sequence[Path]:
        """The task directories, sorted by name; `path` itself when it is one."""
        if not self.path.is_dir():
            raise TaskError(f"no such folder of tasks: {self.path}; make one with `sandmle synth -n 8 -o {self.path}`")
        if TaskLayout(self.path).spec.is_file():
            return [self.path]
        found = sorted(one for one in self.path.iterdir() if _is_task(one))
        if not found:
            raise TaskError(f"{self.path} holds no task directory (a folder with a task.toml)")
        return found


def _is_task(path: Path) -> bool:
    # Drafts under way lie in hidden folders beside finished tasks.
    return not path.name.startswith(".") and TaskLayout(path).spec.is_file()
