"""The grader against real task directories, in its real process."""

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from sandmle.core.engine.grading import LocalGrader, grade_file
from sandmle.core.engine.grading_process import GradingProcess
from sandmle.core.engine.tasks import Task, write_task
from sandmle.core.errors import GraderError, TaskError, UsageError
from sandmle.core.types.metrics import METRICS
from sandmle.core.types.score import Medal, Prediction
from sandmle.core.types.synthesis import TaskDraft
from sandmle.core.types.task import (
    MetricRecord,
    Provenance,
    RowCounts,
    SubmissionFormat,
    TaskSpec,
    ThresholdRecord,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

N_PRIVATE, N_PUBLIC = 40, 10
VALUE = SubmissionFormat(id_column="id", target_columns=("y",), prediction=Prediction.VALUE)
TRUTH = [round(random.Random(1).uniform(0, 10) + i / 7, 3) for i in range(N_PRIVATE + N_PUBLIC)]
ANSWERS = "id,y,board\n" + "".join(f"{i},{y},{'private' if i < N_PRIVATE else 'public'}\n" for i, y in enumerate(TRUTH))
BOARD = (0.0, 0.12346, 0.5, 1.0, 1.5, 2.0)


def submission(error: float, public_error: float | None = None) -> bytes:
    """Every prediction is off by `error`, so that rmse and mae are `error`, too."""
    errors = [error] * N_PRIVATE + [error if public_error is None else public_error] * N_PUBLIC
    return ("id,y\n" + "".join(f"{i},{y + e!r}\n" for i, (y, e) in enumerate(zip(TRUTH, errors, strict=True)))).encode()


def make_task(folder: Path, answers: str = ANSWERS, board: str | None = None, metric: str = "rmse") -> Task:
    direction = METRICS[metric].direction
    lines = "".join(f"{rank},{score}\n" for rank, score in enumerate(BOARD, 1))
    spec = TaskSpec(
        task_id="soil-yield-0",
        title="Soil",
        domain="agronomy",
        modality="tabular",
        task_type="regression",
        rule_family="linear",
        noise_families=("gaussian",),
        metric=MetricRecord(name=metric, direction=direction),
        submission=VALUE,
        rows=RowCounts(train=100, public_board=N_PUBLIC, private_board=N_PRIVATE),
        dna={},
        thresholds=ThresholdRecord(gold=0.12346, silver=0.5, bronze=1.0, median=1.25),
        solutions=(),
        checks_passed=(),
        provenance=Provenance(
            generator_model="m", rng_seed=0, index=0, seed_id="s", prompt_sha256={}, versions={}, content_sha256={}
        ),
    )
    files = {"train.csv": b"id,y\n", "test.csv": b"id\n", "sample_submission.csv": submission(5.0)}
    private = {"answers.csv": answers.encode(), "leaderboard.csv": (board or "rank,score\n" + lines).encode()}
    return write_task(folder, TaskDraft(spec=spec, description="Predict y.", public=files, private=private))


@pytest.fixture
def task_dir(tmp_path: Path) -> Path:
    return make_task(tmp_path).layout.root


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def grader() -> AsyncIterator[LocalGrader]:
    """One for all tests: a start costs seconds, and a grader has to survive whatever a test does to it."""
    grader = LocalGrader()
    yield grader
    await grader.close()


async def test_scores_ranks_and_medals_come_from_the_private_rows(grader: LocalGrader, task_dir: Path):
    grade = await grader.grade(task_dir, submission(0.4, public_error=3.0))
    assert (grade.valid, grade.problem) == (True, None)
    assert (grade.score, grade.public_score) == (0.4, 3.0)
    assert (grade.medal, grade.above_median, grade.human_rank) == (Medal.SILVER, True, pytest.approx(4 / 6))

    by_error = {error: await grader.grade(task_dir, submission(error)) for error in (0.0, 0.5, 0.9, 1.25, 9.0)}
    assert [grade.medal for grade in by_error.values()] == [
        Medal.GOLD,
        Medal.SILVER,
        Medal.BRONZE,
        Medal.NONE,
        Medal.NONE,
    ]
    assert [grade.above_median for grade in by_error.values()] == [True, True, True, False, False]
    assert [grade.human_rank for grade in by_error.values()] == pytest.approx([1.0, 4 / 6, 0.5, 2 / 6, 0.0])


async def test_a_score_is_rounded_before_it_is_ranked_as_its_board_entry_was(grader: LocalGrader, task_dir: Path):
    # 0.1234567 stands on the board as 0.12346, which is worse: rounded alike, it earns exactly its own place.
    grade = await grader.grade(task_dir, submission(0.1234567))
    assert (grade.score, grade.medal, grade.human_rank) == (0.12346, Medal.GOLD, pytest.approx(5 / 6))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "empty"),
        (b"id,y\n" + b"0,1\n" * 10**6, "row 2: id '0' appears more than once"),
        (b"x" * (40 * 2**20), "too large"),
        (b"id,y\n" + b"".join(b"%d,1e200\n" % i for i in range(N_PRIVATE + N_PUBLIC)), "so large that rmse"),
    ],
    ids=["empty", "a million rows", "forty megabytes", "overflow"],
)
async def test_an_unusable_submission_is_an_invalid_grade_with_its_reason(
    grader: LocalGrader, task_dir: Path, content: bytes, complaint: str
):
    grade = await grader.grade(task_dir, content)
    assert not grade.valid
    assert complaint in (grade.problem or "")
    assert (grade.score, grade.public_score, grade.human_rank) == (None, None, None)
    assert (grade.medal, grade.above_median) == (Medal.NONE, False)


async def test_a_negative_prediction_is_refused_where_the_metric_has_no_logarithm_of_it(
    grader: LocalGrader, tmp_path: Path
):
    task = make_task(tmp_path, metric="rmsle")
    grade = await grader.grade(task.layout.root, submission(-30.0))
    assert "rmsle needs predictions of 0 or more" in (grade.problem or "")


@pytest.mark.parametrize(
    ("answers", "board", "complaint"),
    [
        ("id,y\n0,1\n", None, "board"),
        (ANSWERS, "rank,score\n1,fast\n", "text"),
        (ANSWERS, "score\n1\n", "second"),
        (ANSWERS, "rank,score\n", "no rows"),
    ],
)
async def test_an_unusable_task_is_a_task_error(
    grader: LocalGrader, tmp_path: Path, answers: str, board: str | None, complaint: str
):
    task = make_task(tmp_path, answers=answers, board=board)
    with pytest.raises(TaskError, match=complaint):
        await grader.grade(task.layout.root, submission(1.0))


async def test_answers_that_would_never_end_are_a_task_error(grader: LocalGrader, tmp_path: Path):
    task = make_task(tmp_path)
    task.layout.answers.unlink()
    os.mkfifo(task.layout.answers)
    with pytest.raises(TaskError, match="not a regular file"):
        await grader.grade(task.layout.root, submission(1.0))


async def test_a_missing_task_is_a_task_error_and_a_changed_one_is_read_again(grader: LocalGrader, tmp_path: Path):
    with pytest.raises(TaskError, match="cannot read"):
        await grader.grade(tmp_path / "none", submission(1.0))
    root = make_task(tmp_path).layout.root
    assert (await grader.grade(root, submission(0.7))).human_rank == pytest.approx(0.5)
    # The same size and the same file time: only the time of change tells that this is another board.
    board = root / "private" / "leaderboard.csv"
    times = (board.stat().st_atime_ns, board.stat().st_mtime_ns)
    board.write_text(board.read_text().replace("1.0\n", "0.6\n"))
    os.utime(board, ns=times)
    assert (await grader.grade(root, submission(0.7))).human_rank == pytest.approx(2 / 6)


async def test_many_requests_at_once_get_their_own_answers(grader: LocalGrader, task_dir: Path):
    errors = [i / 10 for i in range(30)]
    grades = await asyncio.gather(*(grader.grade(task_dir, submission(error)) for error in errors))
    assert [grade.score for grade in grades] == pytest.approx(errors)


def worker_pid(grader: LocalGrader) -> int:
    process = grader._process
    assert isinstance(process, GradingProcess)
    assert process.pid is not None
    return process.pid


async def test_a_dead_process_is_replaced_and_the_request_answered(grader: LocalGrader, task_dir: Path):
    await grader.grade(task_dir, submission(1.0))
    first = worker_pid(grader)
    os.kill(first, signal.SIGKILL)
    assert (await grader.grade(task_dir, submission(1.0))).score == 1.0
    assert worker_pid(grader) != first


async def test_a_cancelled_request_does_not_answer_the_next_one(grader: LocalGrader, task_dir: Path):
    await grader.grade(task_dir, submission(1.0))
    os.kill(worker_pid(grader), signal.SIGSTOP)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(grader.grade(task_dir, submission(0.5)), 0.2)
    assert (await grader.grade(task_dir, submission(2.0))).score == 2.0


async def test_a_process_that_cannot_answer_at_all_is_a_grader_error_and_no_verdict(task_dir: Path):
    # The deadline is too short even to start: the sample submission fails as well, so the machine is at fault.
    grader = LocalGrader(deadline_s=0.01)
    with pytest.raises(GraderError, match="sample submission"):
        await grader.grade(task_dir, submission(1.0))
    await grader.close()


async def test_a_submission_that_kills_the_process_is_invalid_while_the_sample_is_graded(
    grader: LocalGrader, task_dir: Path, monkeypatch: pytest.MonkeyPatch
):
    # No submission is known that kills the process, so the fault is injected: whenever it gets this one.
    deadly = submission(7.0)
    exchange = GradingProcess._exchange
    killed = []

    async def dying(process: GradingProcess, frame: bytes) -> dict[str, Any]:
        if deadly in frame:
            running = process._process or await process._start()
            killed.append(running.pid)
            running.kill()
        return await exchange(process, frame)

    monkeypatch.setattr(GradingProcess, "_exchange", dying)
    grade = await grader.grade(task_dir, deadly)
    assert len(killed) == 2
    assert (grade.valid, grade.score) == (False, None)
    assert "limits" in (grade.problem or "")
    with pytest.raises(GraderError, match="died"):
        await grader.score(ANSWERS.encode(), VALUE, "rmse", deadly)


async def test_closing_ends_the_process_and_may_be_repeated(task_dir: Path):
    grader = LocalGrader()
    await grader.grade(task_dir, submission(1.0))
    pid = worker_pid(grader)
    await grader.close()
    await grader.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_the_process_does_not_inherit_the_environment(
    grader: LocalGrader, task_dir: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SECRET_KEY", "hidden")
    await grader.grade(task_dir, submission(1.0))
    environment = Path(f"/proc/{worker_pid(grader)}/environ").read_bytes()
    assert b"SECRET_KEY" not in environment
    assert b"OMP_NUM_THREADS=1" in environment


async def test_a_draft_is_scored_and_its_submissions_compared(grader: LocalGrader):
    noisy = random.Random(3)
    rows = [f"{i},{y + noisy.gauss(0, 1)!r}\n" for i, y in enumerate(TRUTH)]
    noise = ("id,y\n" + "".join(rows)).encode()
    submissions = [submission(0.0), noise, b"id,y\n", submission(0.0)]
    arguments = (ANSWERS.encode(), VALUE, "rmse", submissions)
    report = await grader.judge_draft(*arguments, pairs=[(0, 1), (0, 3), (0, 2)], rng_seed=1, agreement=True)
    assert report.scores[0].private == 0.0
    assert report.scores[2].private is None
    assert "missing" in (report.scores[2].problem or "")
    error, same, invalid = report.standard_errors
    assert error is not None
    assert 0.02 < error < 0.4
    assert (same, invalid) == (0.0, None)
    assert report.agreement[0] == (1.0, 0.0, None, 1.0)
    assert report == await grader.judge_draft(*arguments, pairs=[(0, 1), (0, 3), (0, 2)], rng_seed=1, agreement=True)
    single = await grader.score(ANSWERS.encode(), VALUE, "rmse", noise)
    assert single == report.scores[1]
    assert await grader.bootstrap(ANSWERS.encode(), VALUE, "rmse", submissions[0], noise, rng_seed=1) == error


async def test_halves_of_the_private_rows_score_every_submission(grader: LocalGrader):
    noisy = random.Random(3)
    rows = [f"{i},{y + noisy.gauss(0, 1)!r}\n" for i, y in enumerate(TRUTH)]
    noise = ("id,y\n" + "".join(rows)).encode()
    arguments = (ANSWERS.encode(), VALUE, "mae", [submission(0.0), noise, b"id,y\n"])
    report = await grader.judge_draft(*arguments, halvings=3, rng_seed=1)
    exact, spoiled, invalid = report.halves
    assert (exact, invalid) == ((0.0,) * 6, (None,) * 6)
    # Both halves together are all private rows, so that their mean is the whole score where halves are equal in size.
    for at in range(0, 6, 2):
        first, second = spoiled[at], spoiled[at + 1]
        assert first is not None
        assert second is not None
        assert first != second
        assert (first + second) / 2 == pytest.approx(report.scores[1].private, rel=0.05)
    assert report.halves == (await grader.judge_draft(*arguments, halvings=3, rng_seed=1)).halves
    assert report.halves != (await grader.judge_draft(*arguments, halvings=3, rng_seed=2)).halves
    assert (await grader.judge_draft(*arguments)).halves == ()


async def test_a_draft_whose_truth_leaves_the_metric_undefined_is_a_task_error(grader: LocalGrader):
    constant = "id,y,board\n0,1,private\n1,1,private\n2,1,public\n"
    with pytest.raises(TaskError, match="r2 is undefined"):
        await grader.judge_draft(constant.encode(), VALUE, "r2", [b"id,y\n0,1\n1,2\n2,3\n"])
    with pytest.raises(TaskError, match="no metric named"):
        await grader.score(ANSWERS.encode(), VALUE, "rsme", submission(1.0))


async def test_a_file_is_graded_but_no_link_directory_or_pipe(task_dir: Path, tmp_path: Path):
    file = tmp_path / "submission.csv"
    file.write_bytes(submission(0.5))
    assert (await grade_file(task_dir, file)).medal is Medal.SILVER
    (tmp_path / "link.csv").symlink_to(file)
    os.mkfifo(tmp_path / "pipe.csv")
    for other in (tmp_path / "link.csv", tmp_path / "pipe.csv", tmp_path):
        grade = await grade_file(task_dir, other)
        assert (grade.valid, grade.problem) == (False, "the submission is not a regular file")
    with pytest.raises(UsageError, match="cannot read the submission"):
        await grade_file(task_dir, tmp_path / "none.csv")
