"""Grades submissions by the peer's own code, in its process; implements `contracts.grader.Grader`.

Whose fault it is: where the peer says that a file is invalid, it is. Where its code raises or its process is lost on a
file, the sample submission is tried: when that is graded, the file is at fault and invalid (nobody leaves a group by
crashing a grader); when it is not, the peer's code or data is, and that is a `GraderError`.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from sandmle.core.errors import GraderError
from sandmle.core.types.score import Grade, Medal
from sandmle.plugins.benchmarks.peers.process import PeerFailedError, PeerLostError, PeerPlace, PeerProcess
from sandmle.plugins.benchmarks.peers.views import read_record

START_S: Final = 180.0
"""Granted on top of the deadline: importing the peer's libraries from a cold disk."""
SUBMISSIONS: Final = "submissions"
_REMEMBERED: Final = 256
_QUEUE: Final = 8
"""Episodes that may hand in at once, each with its full time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """How one peer's verdicts are asked for and read."""

    place: PeerPlace
    arguments: Mapping[str, Any]
    """Of every request."""
    read: Callable[[Mapping[str, Any], Mapping[str, Any]], Grade]
    """(the reply, the view's record) to a `Grade`; raises a `PeerFailedError` for what may not be the file's fault."""
    work: Path
    """Submissions are kept below it, by competition and content."""
    deadline_s: float
    max_bytes: int


class PeerGrader:
    """One long-lived process of the peer; requests are served one at a time."""

    def __init__(self, desk: Desk) -> None:
        """Nothing is started before the first submission."""
        self._desk = desk
        self._process = PeerProcess(desk.place)
        self._known: dict[tuple[str, str], Grade] = {}

    @property
    def max_bytes(self) -> int:
        """Size of the largest file that is looked at."""
        return self._desk.max_bytes

    @property
    def grade_deadline_s(self) -> float:
        """For one file, and the sample after it, behind a queue of others."""
        return 2 * _QUEUE * (self._desk.deadline_s + START_S)

    async def grade(self, task_dir: Path, submission: bytes) -> Grade:
        """Grade the bytes of a submission file; see the contract. The file is kept where the report says.

        Raises:
            TaskError: the task directory is not one of this benchmark's.
            GraderError: the peer's code fails on its own sample submission, too.
        """
        record = read_record(task_dir)
        digest = hashlib.sha256(submission).hexdigest()
        key = (record["competition_id"], digest)
        known = self._known.pop(key, None)
        grade = known or await self._grade(record, self._keep(task_dir.name, digest, submission))
        self._known[key] = grade
        if len(self._known) > _REMEMBERED:
            self._known.pop(next(iter(self._known)))
        return grade

    async def close(self) -> None:
        """End the process. Idempotent."""
        await self._process.close()

    async def _grade(self, record: Mapping[str, Any], file: Path) -> Grade:
        try:
            return await self._verdict(record, file)
        except (PeerFailedError, PeerLostError) as problem:
            await self._check_with_sample(record, problem)
            grade = invalid(f"the benchmark's grader cannot take this file: {problem}")
            failed = {"submission_path": str(file), "submission_exists": True}
            return replace(grade, report={**record["unanswered"], **failed})

    async def _verdict(self, record: Mapping[str, Any], file: Path) -> Grade:
        asked = {**self._desk.arguments, "competition_id": record["competition_id"], "path": str(file)}
        reply = await self._process.ask("grade", deadline_s=self._desk.deadline_s + START_S, **asked)
        return self._desk.read(reply, record)

    async def _check_with_sample(self, record: Mapping[str, Any], failure: Exception) -> None:
        try:
            await self._verdict(record, Path(record["sample_submission"]))
        except (PeerFailedError, PeerLostError) as problem:
            raise GraderError(
                f"the grader of {record['competition_id']} fails on the competition's sample submission, too: {problem}"
            ) from failure

    def _keep(self, task_id: str, digest: str, submission: bytes) -> Path:
        file = self._desk.work / SUBMISSIONS / task_id / f"{digest[:20]}.csv"
        try:
            if not file.is_file() or file.stat().st_size != len(submission):
                file.parent.mkdir(parents=True, exist_ok=True)
                part = file.with_suffix(".part")
                part.write_bytes(submission)
                part.replace(file)
        except OSError as problem:
            raise GraderError(f"cannot keep the submission {file}: {problem.strerror}") from problem
        return file


def invalid(problem: str) -> Grade:
    """An invalid verdict."""
    return Grade(
        valid=False,
        score=None,
        public_score=None,
        medal=Medal.NONE,
        above_median=False,
        human_rank=None,
        problem=problem,
    )
