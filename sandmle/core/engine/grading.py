"""`LocalGrader`: grading in a child process, so that no submission can hurt the one who asks.

Whose fault it is: what the submission gets wrong is an invalid `Grade`; an unusable task is a `TaskError`. A
process that dies or hangs on the same submission twice is tried on the task's own sample submission: when that is
graded, the submission is at fault and invalid (nobody leaves a group by crashing the grader); when it is not,
the machine is, and that is a `GraderError`.
"""

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandmle.core.engine.csv_table import MAX_BYTES, TOO_LARGE
from sandmle.core.engine.grading_process import DEADLINE_S, GradingProcess, ProcessLostError
from sandmle.core.errors import GraderError, UsageError
from sandmle.core.types.score import Grade, Medal
from sandmle.core.types.task import SubmissionFormat, TaskLayout


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftScore:
    """Metric of one submission to a draft, not rounded. `problem` is None exactly when it is valid."""

    private: float | None
    public: float | None
    problem: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftReport:
    """What was asked about the submissions to a draft; all on the private-board rows but `public`."""

    scores: tuple[DraftScore, ...]
    standard_errors: tuple[float | None, ...]
    """Per pair: paired bootstrap standard error of the score difference; None when one of them is invalid."""
    agreement: tuple[tuple[float | None, ...], ...]
    """Per pair of submissions: share of equal predictions; empty when not asked for."""
    halves: tuple[tuple[float | None, ...], ...]
    """Per submission: its scores on both halves of each halving, one after the other; empty when not asked for."""


class LocalGrader:
    """Grades in one long-lived child process; implements `contracts.grader.Grader`.

    Requests are served one at a time, in the order they come. Use within one event loop.
    """

    def __init__(self, *, deadline_s: float = DEADLINE_S) -> None:
        """Nothing is started before the first request; `deadline_s` is for one request."""
        self._process = GradingProcess(deadline_s)

    async def grade(self, task_dir: Path, submission: bytes) -> Grade:
        """Grade the bytes of a submission file; see the contract.

        `score` is the metric on the private-board rows, rounded to 5 decimals before it is ranked, as
        MLE-bench does. Medals are inclusive, `above_median` is strict.

        Raises:
            TaskError: the task directory is not usable.
            GraderError: the grading process failed for a reason that is not the submission.
        """
        if len(submission) > MAX_BYTES:
            return _invalid(TOO_LARGE)
        request = {"op": "grade", "task_dir": str(task_dir.absolute())}
        try:
            reply = await self._process.ask(request, [submission])
        except ProcessLostError as problem:
            await self._check_with_sample(task_dir, request, problem)
            return _invalid("the grader could not read this file within its limits of memory and time")
        fields = reply["grade"]
        return Grade(**{**fields, "medal": Medal(fields["medal"])})

    async def _check_with_sample(self, task_dir: Path, request: dict[str, Any], lost: ProcessLostError) -> None:
        try:
            sample = TaskLayout(task_dir).sample_submission.read_bytes()
            reply = await self._process.ask(request, [sample])
        except (ProcessLostError, OSError) as problem:
            raise GraderError(f"the grading process fails on the sample submission, too: {problem}") from lost
        if not reply["grade"]["valid"]:
            raise GraderError(f"the sample submission is invalid: {reply['grade']['problem']}") from lost

    async def judge_draft(
        self,
        answers_csv: bytes,
        submission_format: SubmissionFormat,
        metric_name: str,
        submissions: Sequence[bytes],
        *,
        pairs: Sequence[tuple[int, int]] = (),
        n_resamples: int = 200,
        rng_seed: int = 0,
        agreement: bool = False,
        halvings: int = 0,
    ) -> DraftReport:
        """Score submissions to answers that are no task yet, and compare them, in one request.

        Args:
            answers_csv: content of `private/answers.csv`.
            submission_format: what a valid submission looks like.
            metric_name: a name of `types/metrics.py`.
            submissions: contents of submission files.
            pairs: indexes into `submissions` whose score difference gets a bootstrap standard error.
            n_resamples: bootstrap resamples of the private-board rows, the same for every pair.
            rng_seed: the report is the same for the same arguments.
            agreement: whether every pair of submissions is compared prediction by prediction.
            halvings: how often the private-board rows are cut into two halves at random, each of which scores all.

        Raises:
            TaskError: the answers cannot be used, or leave the metric undefined.
            GraderError: the grading process failed.
        """
        request = {
            "op": "draft",
            "form": submission_format.model_dump(mode="json"),
            "metric": metric_name,
            "pairs": [list(pair) for pair in pairs],
            "n_resamples": n_resamples,
            "rng_seed": rng_seed,
            "agreement": agreement,
            "halvings": halvings,
        }
        try:
            reply = await self._process.ask(request, [answers_csv, *submissions])
        except ProcessLostError as problem:
            raise GraderError(f"scoring a draft: {problem}") from problem
        return DraftReport(
            scores=tuple(DraftScore(**fields) for fields in reply["scores"]),
            standard_errors=tuple(reply["standard_errors"]),
            agreement=tuple(tuple(row) for row in reply["agreement"]),
            halves=tuple(tuple(row) for row in reply["halves"]),
        )

    async def score(
        self,
        answers_csv: bytes,
        submission_format: SubmissionFormat,
        metric_name: str,
        submission: bytes,
    ) -> DraftScore:
        """Score one submission to a draft; raises as `judge_draft`."""
        report = await self.judge_draft(answers_csv, submission_format, metric_name, [submission])
        return report.scores[0]

    async def bootstrap(
        self,
        answers_csv: bytes,
        submission_format: SubmissionFormat,
        metric_name: str,
        first: bytes,
        second: bytes,
        *,
        n_resamples: int = 200,
        rng_seed: int = 0,
    ) -> float | None:
        """Paired bootstrap standard error of the difference of two scores; raises as `judge_draft`."""
        report = await self.judge_draft(
            answers_csv,
            submission_format,
            metric_name,
            [first, second],
            pairs=[(0, 1)],
            n_resamples=n_resamples,
            rng_seed=rng_seed,
        )
        return report.standard_errors[0]

    async def close(self) -> None:
        """End the grading process. Idempotent."""
        await self._process.close()


async def grade_file(task_dir: Path, submission: Path) -> Grade:
    """Grade a submission file once. A link, a directory or a device is an invalid submission.

    Raises:
        UsageError: there is no such file, or it may not be read.
        TaskError: the task directory is not usable.
        GraderError: the grading process failed for a reason that is not the submission.
    """
    try:
        content = _read_regular(submission)
    except OSError as problem:
        raise UsageError(f"cannot read the submission {submission}: {problem.strerror}") from problem
    if content is None:
        return _invalid("the submission is not a regular file")
    grader = LocalGrader()
    try:
        return await grader.grade(task_dir, content)
    finally:
        await grader.close()


def _read_regular(path: Path) -> bytes | None:
    """Content of a regular file, cut just above the size limit; None for anything else. Follows no link."""
    if not stat.S_ISREG(path.lstat().st_mode):
        return None
    # The path may have become something else since: no link is followed and no pipe waited for.
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        return file.read(MAX_BYTES + 1) if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else None


def _invalid(problem: str) -> Grade:
    return Grade(
        valid=False,
        score=None,
        public_score=None,
        medal=Medal.NONE,
        above_median=False,
        human_rank=None,
        problem=problem,
    )
