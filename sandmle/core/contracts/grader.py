"""Submission bytes in, typed verdict out, outside every sandbox."""

from pathlib import Path
from typing import Protocol

from sandmle.core.types.score import Grade


class Grader(Protocol):
    """Grades submissions to task directories in a process of its own.

    One that has an attribute `max_bytes` is handed files up to that size; one that has `grade_deadline_s` is given so
    long for each, the wait for its turn included, instead of a quarter of an hour.
    """

    async def grade(self, task_dir: Path, submission: bytes) -> Grade:
        """Grade the bytes of a submission file. An unusable submission is an invalid `Grade`.

        Raises:
            TaskError: the task directory is not usable.
            GraderError: the grading process failed for a reason that is not the submission.
        """
        ...

    async def close(self) -> None:
        """End the grading process. Idempotent."""
        ...
