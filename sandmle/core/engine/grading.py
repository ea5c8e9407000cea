"""`LocalGrader`: grading in a child process, so that no submission can hurt the one who asks.

Whose fault it is: what the submission gets wrong is an invalid `Grade`; an unusable task is a `TaskError`. A
process that dies or hangs on the same submission twice is tried on the task's own sample submission: when that is
graded, the submission is at fault and invalid (nobody leaves a group by crashing the grader); when it is not,
the machine is, and that is a `GraderError`.
"""

import asyncio
import os
import stat
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from sandmle.core.engine.csv_table import MAX_BYTES, TOO_LARGE
from sandmle.core.engine.grading_wire import PREFIX, decode_frame, encode_frame
from sandmle.core.errors import GraderError, TaskError, UsageError
from sandmle.core.types.score import Grade, Medal
from sandmle.core.types.task import SubmissionFormat, TaskLayout

DEADLINE_S: Final = 180.0
"""For one request, a cold start of the process included."""
CLOSE_S: Final = 5.0
N_TRIES: Final = 2
_BOOT: Final = "import sys; sys.path.append(sys.argv[1]); from sandmle.core.engine.grading_worker import main; main()"
_SINGLE_THREADED: Final = {
    name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
}


class _ProcessLostError(Exception):
    """The grading process died or missed its deadline."""


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


class LocalGrader:
    """Grades in one long-lived child process; implements `contracts.grader.Grader`.

    Requests are served one at a time, in the order they come. Use within one event loop.
    """

    def __init__(self, *, deadline_s: float = DEADLINE_S) -> None:
        """Nothing is started before the first request."""
        self._deadline_s = deadline_s
        self._process: asyncio.subprocess.Process | None = None
        self._messages: IO[bytes] | None = None
        self._turn = asyncio.Lock()

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
            reply = await self._ask(request, [submission])
        except _ProcessLostError as problem:
            await self._check_with_sample(task_dir, request, problem)
            return _invalid("the grader could not read this file within its limits of memory and time")
        fields = reply["grade"]
        return Grade(**{**fields, "medal": Medal(fields["medal"])})

    async def _check_with_sample(self, task_dir: Path, request: dict[str, Any], lost: _ProcessLostError) -> None:
        try:
            sample = TaskLayout(task_dir).sample_submission.read_bytes()
            reply = await self._ask(request, [sample])
        except (_ProcessLostError, OSError) as problem:
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
        }
        try:
            reply = await self._ask(request, [answers_csv, *submissions])
        except _ProcessLostError as problem:
            raise GraderError(f"scoring a draft: {problem}") from problem
        return DraftReport(
            scores=tuple(DraftScore(**fields) for fields in reply["scores"]),
            standard_errors=tuple(reply["standard_errors"]),
            agreement=tuple(tuple(row) for row in reply["agreement"]),
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
        async with self._turn:
            await self._end(kindly=True)

    async def _ask(self, request: dict[str, Any], parts: Sequence[bytes]) -> dict[str, Any]:
        async with self._turn:
            for last in range(N_TRIES):
                try:
                    reply = await self._exchange(encode_frame(request, parts))
                except _ProcessLostError:
                    if last == N_TRIES - 1:
                        raise
                else:
                    break
        if "task_error" in reply:
            raise TaskError(reply["task_error"])
        if "grader_error" in reply:
            raise GraderError(reply["grader_error"])
        return reply

    async def _exchange(self, frame: bytes) -> dict[str, Any]:
        answered = False
        try:
            async with asyncio.timeout(self._deadline_s):
                process = self._process or await self._start()
                assert process.stdin is not None
                assert process.stdout is not None
                process.stdin.write(frame)
                await process.stdin.drain()
                header_length, body_length = PREFIX.unpack(await process.stdout.readexactly(PREFIX.size))
                text = await process.stdout.readexactly(header_length)
                body = await process.stdout.readexactly(body_length)
            answered = True
            return decode_frame(text, body)[0]
        except TimeoutError as problem:
            raise _ProcessLostError(f"no answer within {self._deadline_s:g} s") from problem
        except (asyncio.IncompleteReadError, ConnectionError) as problem:
            raise _ProcessLostError(f"the grading process died{self._last_words()}") from problem
        finally:
            # After a cancellation, too: a reply that nobody has read would answer the next request.
            if not answered:
                await asyncio.shield(self._end(kindly=False))

    async def _start(self) -> asyncio.subprocess.Process:
        package_parent = Path(__file__).resolve().parents[3]
        # Closed in _end: it lives as long as the process that writes its standard error to it.
        self._messages = tempfile.TemporaryFile()  # noqa: SIM115
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                "-c",
                _BOOT,
                str(package_parent),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=self._messages,
                cwd="/",
                env={"PATH": os.defpath, "LANG": "C.UTF-8", **_SINGLE_THREADED},
                start_new_session=True,
            )
        except OSError as problem:
            raise GraderError(f"cannot start the grading process: {problem}") from problem
        return self._process

    async def _end(self, *, kindly: bool) -> None:
        process, self._process = self._process, None
        if process is not None:
            assert process.stdin is not None
            process.stdin.close()
            if not kindly:
                _kill(process)
            try:
                await asyncio.wait_for(process.wait(), CLOSE_S)
            except TimeoutError:
                _kill(process)
                await process.wait()
        messages, self._messages = self._messages, None
        if messages is not None:
            messages.close()

    def _last_words(self) -> str:
        if self._messages is None:
            return ""
        self._messages.seek(0)
        lines = self._messages.read().decode(errors="replace").strip().splitlines()
        return f": {lines[-1][:300]}" if lines else ""


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


def _kill(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()


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
