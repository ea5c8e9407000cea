"""A set of tasks to run agents on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from sandmle.core.contracts.grader import Grader
from sandmle.core.contracts.sandbox import Sandbox


@runtime_checkable
class Benchmark(Protocol):
    """Lists its tasks; each is a task directory on this disk, made or found by the benchmark.

    One whose grader has no public board to tell the agent of has an attribute `public_board` that is false.
    """

    def task_dirs(self) -> Sequence[Path]:
        """The task directories, in a stable order.

        Raises:
            TaskError: the set cannot be found or is not usable; the message says what to do.
        """
        ...


@runtime_checkable
class SelfGrading(Protocol):
    """A benchmark whose tasks are graded by code of its own. Optional for one."""

    def open_grader(self) -> Grader:
        """A grader of its tasks, closed by the caller; nothing is started before the first submission."""
        ...


@runtime_checkable
class Hosting(Protocol):
    """A benchmark that may have a world of its own for its episodes. Optional for one."""

    def open_sandbox(self) -> Sandbox | None:
        """Where episodes take place instead of the configured sandbox, started and closed by the caller.

        None leaves the choice to the configuration.
        """
        ...
