"""MLE-Dojo: its sets and ours, its verdicts and places, our scaffolds inside its environment."""

import asyncio
import json
import math
import shutil
from pathlib import Path

import pytest

from sandmle.core.engine.tasks import read_task
from sandmle.core.errors import GraderError, SandboxError, TaskError
from sandmle.core.types.sandbox import CellStatus, FetchedFiles, FetchRefusal, IsolationLevel, SandboxLimits
from sandmle.core.types.score import Direction, Medal
from sandmle.plugins.benchmarks.mledojo.listing import LEAKY, OURS, our_62


def grade(benchmark, task_dir, *files):
    """The verdicts on these contents, by one grader."""

    async def ask():
        grader = benchmark.open_grader()
        try:
            return [await grader.grade(task_dir, content) for content in files]
        finally:
            await grader.close()

    return asyncio.run(ask())


def answers(dojo, name, shift=0.0):
    rows = (dojo.data / name / "data" / "private" / "test_answer.csv").read_text().splitlines()
    shifted = [f"{key},{float(value) + shift!r}" for key, value in (row.split(",") for row in rows[1:])]
    return ("\n".join([rows[0], *shifted]) + "\n").encode()


def test_sets_become_splits_by_their_own_names(dojo):
    splits = dojo.make().selection.splits
    assert splits["mle-lite"] == ("apple-weight",)
    assert splits["evaluation"] == ("apple-weight", "PearWeight")
    assert splits["training"] == ("plum-weight",)
    assert "new-bench" not in splits
    assert OURS not in splits
    assert [path.name for path in dojo.make(split="tabular").task_dirs()] == ["pearweight"]


def test_our_62_are_the_evaluation_sets_and_then_the_largest_boards(tmp_path, dojo):
    first = [f"evaluation-{number:02d}" for number in range(51)]
    rest = [f"training-{number:02d}" for number in range(14)]
    for number, name in enumerate(rest):
        dojo.add(name, teams=10 + number // 2, with_data=False)
    passed_over = [sorted(LEAKY)[0], "titanic"]
    for name in passed_over:
        dojo.add(name, teams=500, with_data=False)
    for name in first:
        dojo.add(name, with_data=False)
    dojo.sets({"One": first[:20], "Two": first[20:]}, [*passed_over, *reversed(rest)])
    chosen = dojo.make().selection.splits[OURS]
    assert chosen[:51] == tuple(first)
    # Two each have the same number of teams: equals stand by name.
    assert chosen[51:] == tuple(sorted(rest, key=lambda name: (-(int(name[-2:]) // 2), name))[:11])
    assert our_62(dojo.competition("x").parent, first) == ()


def test_a_view_shows_the_public_files_and_no_board(dojo):
    task = read_task(dojo.make().task_dirs()[0])
    shown = {path.name for path in task.layout.public.iterdir()}
    assert shown == {"description.txt", "sample_submission.csv", "test.csv", "train.csv"}
    assert task.spec.metric.direction is Direction.MINIMIZE
    assert math.isnan(task.spec.thresholds.gold)


@pytest.mark.parametrize("shift", [0.0, 0.02, 0.03, 0.3, 5.0])
def test_human_rank_is_the_average_of_both_boards(dojo, shift):
    benchmark = dojo.make()
    [mine] = grade(benchmark, benchmark.task_dirs()[0], answers(dojo, "apple-weight", shift))
    private = sum(round(0.02 * place, 5) >= round(mine.score, 9) for place in range(1, 51)) / 50
    public = sum(round(0.03 * place, 5) >= round(mine.score, 9) for place in range(1, 11)) / 10
    assert mine.human_rank == pytest.approx((private + public) / 2, abs=0.06)
    assert mine.human_rank == mine.report["position_score"]["avg_score"]
    assert (mine.valid, mine.medal) == (True, Medal.NONE)


def test_whose_fault_it_is_follows_the_sample_submission(dojo):
    benchmark = dojo.make()
    task_dir = benchmark.task_dirs()[0]
    content = answers(dojo, "apple-weight").decode().splitlines()
    # The metric gives no number for this one, which has no place on a board.
    content[1] = content[1].split(",")[0] + ",-1e301"
    wrong, no_place, fine = grade(
        benchmark, task_dir, b"id\n1\n", "\n".join(content).encode(), answers(dojo, "apple-weight")
    )
    assert not wrong.valid
    assert "columns and the rows" in wrong.problem
    assert not no_place.valid
    assert "LeaderboardError" in no_place.problem
    assert fine.valid
    (dojo.data / "apple-weight" / "data" / "private" / "public_leaderboard.csv").write_text("rank,score\n1,best\n")
    with pytest.raises(GraderError, match="sample submission, too"):
        grade(benchmark, task_dir, answers(dojo, "apple-weight"))


def test_boards_that_are_missing_cut_or_exchanged_are_named(dojo):
    private = dojo.data / "apple-weight" / "data" / "private"
    (private / "private_leaderboard.csv").write_text("rank,score\n1,0.5\n")
    found = {one.name: one for one in asyncio.run(dojo.make().examine())}
    assert "HumanRank would be another" in found["re-downloaded board apple-weight"].detail
    (private / "private_leaderboard.csv").write_text("rank,score\n1,0.5\n2,")
    with pytest.raises(TaskError, match="it was cut"):
        dojo.make().task_dirs()
    for board in private.glob("*leaderboard.csv"):
        board.unlink()
    with pytest.raises(TaskError, match="every HumanRank would be 0"):
        dojo.make().task_dirs()


def test_a_metric_that_cannot_be_imported_is_named(dojo):
    metric = dojo.competition("apple-weight") / "utils" / "metric.py"
    metric.write_text("import no_such_package\n" + metric.read_text())
    with pytest.raises(TaskError, match="metric of apple-weight cannot be imported"):
        dojo.make().task_dirs()


def test_raw_files_are_prepared_with_description_and_boards(dojo, sandmle_json):
    dojo.add("fig-weight", prepared=False)
    words = ("benchmarks", "prepare", *dojo.words(), "--split", "all", "--competition", "fig-weight")
    assert list(sandmle_json(*words)["prepared"]) == ["fig-weight"]
    made = dojo.data / "fig-weight" / "data"
    assert {path.name for path in (made / "private").iterdir()} >= {"test_answer.csv", "private_leaderboard.csv"}
    assert (made / "public" / "description.txt").is_file()


def inside(dojo, play):
    async def go():
        sandbox = dojo.make(inside=True).open_sandbox()
        await sandbox.start()
        await sandbox.check_health()
        public = dojo.data / "apple-weight" / "data" / "public"
        async with sandbox.session(public_dir=public, limits=SandboxLimits()) as session:
            return await play(session)

    return asyncio.run(go())


WRITE = "frame['weight'] = 1.0\nframe[['id', 'weight']].to_csv('submission.csv', index=False)\nprint('WROTE')"


def test_cells_become_steps_of_the_environment_with_their_names_kept(dojo):
    async def play(session):
        first = await session.run("import pandas as pd\nframe = pd.read_csv('data/test.csv')\nprint('FIRST')", 60)
        failed = await session.run("frame = None\nraise ValueError('plum')", 60)
        nothing = await session.fetch("submission.csv", 1000)
        wrote = await session.run(WRITE, 60)
        handed = await session.fetch("submission.csv", 10_000)
        again = await session.fetch("submission.csv", 10_000)
        small = await session.fetch("submission.csv", 10)
        other = await session.fetch("train.csv", 10_000)
        return first, failed, nothing, wrote, handed, again, small, other

    first, failed, nothing, wrote, handed, again, small, other = inside(dojo, play)
    assert (first.status, failed.status, wrote.status) == (CellStatus.OK, CellStatus.ERROR, CellStatus.OK)
    assert "plum" in failed.stderr
    # What ran before is run again in silence, and what failed is not run again.
    assert "FIRST" in first.stdout
    assert "FIRST" not in wrote.stdout
    assert isinstance(nothing, FetchRefusal)
    assert isinstance(handed, FetchedFiles)
    assert handed.files == again.files
    assert handed.files["submission.csv"].startswith(b"id,weight\n0,1.0")
    assert isinstance(small, FetchRefusal)
    assert isinstance(other, FetchRefusal)
    [history] = (dojo.root / "work" / "environments").glob("*/env_history/history.json")
    actions = json.loads(history.read_text())["actions"]
    kinds = [one["action"] for one in actions]
    assert kinds == ["validate_code", "validate_code", "execute_code", "validate_code", "execute_code"]
    benchmark = dojo.make()
    [mine] = grade(benchmark, benchmark.task_dirs()[0], handed.files["submission.csv"])
    assert actions[-1]["reward"] == mine.human_rank


def test_a_timeout_ends_the_session_and_no_competition_is_refused(dojo, tmp_path):
    async def play(session):
        slow = await session.run("import time\ntime.sleep(60)", 1)
        return slow, await session.run("print(1)", 10)

    slow, after = inside(dojo, play)
    assert (slow.status, after.status) == (CellStatus.TIMEOUT, CellStatus.DIED)
    sandbox = dojo.make(inside=True).open_sandbox()
    assert sandbox.level is IsolationLevel.L0

    async def open_nowhere(public):
        async with sandbox.session(public_dir=public, limits=SandboxLimits()):
            pass

    for public in (None, tmp_path):
        with pytest.raises(SandboxError):
            asyncio.run(open_nowhere(public))


def test_without_inside_the_sandbox_is_ours(dojo):
    assert dojo.make().open_sandbox() is None


def test_the_doctor_sees_what_is_not_prepared(dojo):
    shutil.rmtree(dojo.data / "PearWeight")
    found = {one.name: one for one in asyncio.run(dojo.make().examine())}
    assert found["data PearWeight"].verdict == "failed"
    assert found["checkout"].verdict == "ok"
    assert Path(found["checkout"].detail.split(",")[0]) == dojo.checkout
