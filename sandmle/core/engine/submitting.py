"""The submissions of one episode: fetched as bytes, graded outside the sandbox, the last valid one is final."""

import hashlib
from typing import Final

from sandmle.core.contracts.grader import Grader
from sandmle.core.contracts.sandbox import SandboxSession
from sandmle.core.engine.deadlines import deadline
from sandmle.core.engine.feedback import Feedback
from sandmle.core.engine.tasks import Task
from sandmle.core.errors import GraderError, SandboxError
from sandmle.core.types.sandbox import FetchRefusal
from sandmle.core.types.score import Grade, Medal
from sandmle.core.types.trajectory import Observation

SUBMISSION: Final = "submission.csv"
MAX_SUBMISSION_BYTES: Final = 16 * 2**20
"""Far above any submission of a micro task (thousands of rows); a grader may say otherwise."""
FETCH_DEADLINE_S: Final = 60.0
GRADE_DEADLINE_S: Final = 900.0
"""Graders keep deadlines of their own, per try and with a queue in front; this one is for a grader that hangs."""


class Submissions:
    """What has been submitted in one episode, and what came of it."""

    def __init__(self, *, task: Task, grader: Grader, feedback: Feedback) -> None:
        self._task = task
        self._grader = grader
        self._feedback = feedback
        self._last: tuple[str, Grade] | None = None
        self._last_valid: Grade | None = None

    @property
    def final(self) -> Grade | None:
        """The last valid verdict, else the last one; None when nothing was ever submitted."""
        if self._last_valid is not None:
            return self._last_valid
        return self._last[1] if self._last else None

    async def take(self, session: SandboxSession) -> Observation:
        """Grade the file that stands in the session, as submitted by the agent.

        Raises:
            SandboxError: the sandbox failed.
            GraderError: the grader failed.
        """
        content = await self._fetch(session)
        if isinstance(content, FetchRefusal):
            digest, grade = "", _refused(content)
            self._last = (digest, grade)
        else:
            digest, grade = await self._grade(content)
        return Observation(text=self._feedback.say(grade, digest), grade=grade)

    async def collect(self, session: SandboxSession) -> None:
        """Take in what stands in a session that has ended, as if submitted last. No file is no submission.

        Raises:
            SandboxError: the sandbox failed.
            GraderError: the grader failed.
        """
        content = await self._fetch(session)
        if not isinstance(content, FetchRefusal):
            await self._grade(content)
        elif not content.reason.startswith("does not exist"):
            self._last = ("", _refused(content))

    async def _fetch(self, session: SandboxSession) -> bytes | FetchRefusal:
        most: int = getattr(self._grader, "max_bytes", MAX_SUBMISSION_BYTES)
        seconds: float = getattr(session, "fetch_deadline_s", FETCH_DEADLINE_S)
        async with deadline(seconds, SandboxError, f"fetching {SUBMISSION}"):
            fetched = await session.fetch(SUBMISSION, most)
            return fetched if isinstance(fetched, FetchRefusal) else fetched.files[SUBMISSION]

    async def _grade(self, content: bytes) -> tuple[str, Grade]:
        digest = hashlib.sha256(content).hexdigest()
        if self._last is None or self._last[0] != digest:
            seconds: float = getattr(self._grader, "grade_deadline_s", GRADE_DEADLINE_S)
            async with deadline(seconds, GraderError, f"grading a submission to {self._task.spec.task_id}"):
                self._last = (digest, await self._grader.grade(self._task.layout.root, content))
        grade = self._last[1]
        if grade.valid:
            self._last_valid = grade
        return digest, grade


def _refused(refusal: FetchRefusal) -> Grade:
    return Grade(
        valid=False,
        score=None,
        public_score=None,
        medal=Medal.NONE,
        above_median=False,
        human_rank=None,
        problem=f"{refusal.path} {refusal.reason}",
    )
