"""MLE-bench: what a checkout offers, what is shown of it, how it is graded, what is said where something is missing."""

import asyncio
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from sandmle.core.conformance.benchmark import check_benchmark
from sandmle.core.engine.tasks import read_task, refuse_real
from sandmle.core.errors import ConfigError, GraderError, TaskError
from sandmle.core.types.score import Direction, Medal

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 69165\n"


def grade(benchmark, task_dir, *files):
    """The verdicts on these contents, by one grader."""

    async def ask():
        grader = benchmark.open_grader()
        try:
            return [await grader.grade(task_dir, content) for content in files]
        finally:
            await grader.close()

    return asyncio.run(ask())


def answers(bench, name, shift=0.0):
    rows = (bench.data / name / "prepared" / "private" / "answers.csv").read_text().splitlines()
    shifted = [f"{key},{float(value) + shift!r}" for key, value in (row.split(",") for row in rows[1:])]
    return ("\n".join([rows[0], *shifted]) + "\n").encode()


def findings(benchmark):
    return {one.name: one for one in asyncio.run(benchmark.examine())}


def test_lite_is_low_and_splits_keep_their_order(bench):
    splits = bench.make().selection.splits
    assert splits["lite"] == splits["low"] == ("apple-weight", "PearWeight")
    assert set(splits) == {"low", "lite", "dev", "all"}
    assert [path.name for path in bench.make().task_dirs()] == ["apple-weight", "pearweight"]
    assert [path.name for path in bench.make(split="dev").task_dirs()] == ["pearweight"]


def test_it_keeps_the_promises_of_a_benchmark(bench):
    check_benchmark(bench.make())


def test_a_split_can_be_a_file_and_competitions_can_be_picked(bench, tmp_path):
    chosen = tmp_path / "mine.txt"
    chosen.write_text("# mine\nPearWeight\n\nPearWeight\n")
    assert bench.make(split=str(chosen)).selection.ids() == ("PearWeight",)
    assert bench.make(competitions=["PearWeight"]).selection.ids() == ("PearWeight",)
    with pytest.raises(TaskError, match="not in the split 'dev'"):
        bench.make(split="dev", competitions=["apple-weight"]).selection.ids()


def test_wrong_names_are_told_with_the_nearest(bench, tmp_path):
    with pytest.raises(TaskError, match="did you mean 'lite'"):
        bench.make(split="lit").selection.ids()
    with pytest.raises(TaskError, match="did you mean 'apple-weight'"):
        bench.make(competitions=["aple-weight"]).selection.ids()
    with pytest.raises(TaskError, match="is no checkout of openai/mle-bench"):
        bench.make(checkout=str(tmp_path)).selection.ids()
    with pytest.raises(ConfigError, match=r"plugin\.benchmark\.mlebench\.chekout"):
        bench.make(chekout="x")


def test_a_view_shows_the_public_files_and_nothing_else(bench):
    first, _ = bench.make().task_dirs()
    task = read_task(first)
    shown = sorted(path.name for path in task.layout.public.iterdir())
    assert shown == ["sample_submission.csv", "test.csv", "train.csv"]
    assert task.layout.public.resolve() == bench.data / "apple-weight" / "prepared" / "public"
    private = (bench.data / "apple-weight" / "prepared" / "private" / "answers.csv").read_bytes()
    assert all(private not in path.read_bytes() for path in first.rglob("*") if path.is_file())
    assert "root mean squared error" in task.description
    assert "`data/sample_submission.csv`" in task.description
    assert task.spec.metric.direction is Direction.MINIMIZE
    assert task.spec.thresholds.gold == pytest.approx(0.2)
    with pytest.raises(TaskError, match="kept for measuring"):
        refuse_real([task])


def test_the_second_call_gives_the_same_views_and_a_changed_board_other_ones(bench, boards):
    def texts():
        return [(path / "task.toml").read_text() for path in bench.make().task_dirs()]

    before = texts()
    assert texts() == before
    (bench.competition("apple-weight") / "leaderboard.csv").write_text(boards.usual.replace("0.02000", "0.01000"))
    after = texts()
    assert after[0] != before[0]
    assert after[1] == before[1]


@pytest.mark.parametrize(
    ("shift", "medal"), [(0.2, Medal.GOLD), (0.21, Medal.SILVER), (0.5, Medal.BRONZE), (1.0, Medal.NONE)]
)
def test_the_peers_grader_gives_the_score_and_the_medal(bench, shift, medal):
    benchmark = bench.make()
    [mine] = grade(benchmark, benchmark.task_dirs()[0], answers(bench, "apple-weight", shift))
    assert (mine.valid, mine.score, mine.medal, mine.public_score) == (True, shift, medal, None)
    assert mine.report["score"] == shift
    assert mine.report["valid_submission"] is True
    assert Path(mine.report["submission_path"]).read_bytes() == answers(bench, "apple-weight", shift)
    better = sum(round(0.02 * place, 5) < shift for place in range(1, 121))
    assert mine.human_rank == (120 - better) / 120


def test_what_the_grader_refuses_is_invalid_with_its_words(bench):
    benchmark = bench.make()
    wrong, empty, binary = grade(benchmark, benchmark.task_dirs()[0], b"id,wait\n1,2\n", b"", b"\xff\xfe\x00\x01,\n")
    assert (wrong.valid, wrong.problem) == (False, "the submission needs the columns and the rows of the test set")
    assert wrong.report["submission_exists"] is True
    assert not empty.valid
    assert not binary.valid
    assert "cannot be read as CSV" in binary.problem
    assert binary.report["valid_submission"] is False


def test_crashing_the_grader_is_an_invalid_submission_and_no_way_out(bench):
    # This grader gives no score for tiny numbers, and rounding that raises outside of what MLE-bench catches.
    benchmark = bench.make()
    content = answers(bench, "apple-weight").decode().splitlines()
    content[1] = content[1].split(",")[0] + ",-1e301"
    crashed, fine = grade(
        benchmark, benchmark.task_dirs()[0], "\n".join(content).encode(), answers(bench, "apple-weight")
    )
    assert not crashed.valid
    assert "cannot take this file" in crashed.problem
    assert crashed.report["submission_exists"] is True
    assert fine.score == 0.0


def test_a_grader_that_fails_on_its_own_sample_is_the_machinerys_failure(bench):
    benchmark = bench.make()
    task_dir = benchmark.task_dirs()[0]
    (bench.competition("apple-weight") / "leaderboard.csv").write_text("score\nmany\n")
    with pytest.raises(GraderError, match="sample submission, too"):
        grade(benchmark, task_dir, answers(bench, "apple-weight"))


def test_data_that_is_not_prepared_is_named_before_anything_is_played(bench):
    shutil.rmtree(bench.data / "PearWeight")
    with pytest.raises(TaskError, match=r"not prepared in .*: PearWeight"):
        bench.make().task_dirs()
    partly = bench.make(prepared_only=True)
    assert partly.selection.playable() == (("apple-weight",), ("PearWeight",))
    assert len(partly.task_dirs()) == 1
    with pytest.raises(TaskError, match="not prepared"):
        bench.make(prepared_only=True, split="dev").task_dirs()


@pytest.mark.parametrize(
    ("board", "said"),
    [
        (POINTER.format("0" * 64), "is a Git LFS pointer"),
        ("score,teamId\n0.1,1\n0.2,2\n0.", "ends in the middle of row 3"),
        ("score,teamId\n", "has no teams"),
        ("", "is empty"),
    ],
)
def test_a_board_that_is_none_is_named_with_its_remedy(bench, board, said):
    (bench.competition("apple-weight") / "leaderboard.csv").write_text(board)
    with pytest.raises(TaskError, match="leaderboard of apple-weight") as raised:
        bench.make().task_dirs()
    assert said in str(raised.value)
    found = findings(bench.make())["leaderboard apple-weight"]
    assert found.verdict == "failed"
    assert said in found.detail
    assert "lfs pull" in found.remedy


def test_the_first_page_of_a_re_download_is_recognised_by_its_looks(bench, boards):
    (bench.competition("apple-weight") / "leaderboard.csv").write_text(boards.kaggle([0.1 * n for n in range(1, 21)]))
    found = findings(bench.make())["leaderboard apple-weight"]
    assert "has 20 rows in Kaggle's own columns" in found.detail
    assert len(bench.make().task_dirs()) == 2


def test_a_board_that_is_not_the_commits_own_is_told_by_its_hash(bench, boards):
    board = bench.competition("apple-weight") / "leaderboard.csv"
    board.write_text(POINTER.format("0" * 64))
    git = ["git", "-C", str(bench.checkout), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "all"]):
        subprocess.run([*git, *words], check=True, capture_output=True)
    board.write_text(boards.usual)
    found = findings(bench.make())
    assert "is not the file of this commit (120 rows)" in found["leaderboard apple-weight"].detail
    assert "leaderboard PearWeight" not in found
    assert "of no known commit" not in found["checkout"].detail


def test_the_doctor_names_token_rules_packages_and_data(bench, monkeypatch, tmp_path):
    for name in ("KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path / "nowhere"))
    shutil.rmtree(bench.data / "PearWeight")
    found = findings(bench.make())
    assert found["kaggle token"].verdict == "failed"
    assert "kaggle.json" in found["kaggle token"].remedy
    assert "https://www.kaggle.com/c/PearWeight/rules" in found["kaggle rules"].remedy
    assert "sandmle benchmarks prepare" in found["data PearWeight"].remedy
    assert "pip install" in found["package pyquaternion"].remedy or "package pyquaternion" not in found
    (tmp_path / "nowhere").mkdir()
    (tmp_path / "nowhere" / "kaggle.json").write_text("{}")
    assert findings(bench.make())["kaggle token"].verdict == "ok"
    lost = findings(bench.make(python=str(tmp_path / "no-python")))["interpreter"]
    assert lost.verdict == "failed"
    assert findings(bench.make(checkout=str(tmp_path)))["checkout"].verdict == "failed"


def test_known_leaks_are_labelled_in_the_list_and_by_the_doctor(bench):
    bench.add("random-acts-of-pizza")
    bench.split("low", "random-acts-of-pizza")
    [row] = bench.make().selection.listing()["competitions"]
    assert row["labels"][0].startswith("leak: ")
    assert "leak" in findings(bench.make())["known issue random-acts-of-pizza"].detail


def test_raw_files_are_prepared_by_the_competitions_own_code(bench, sandmle_json):
    bench.add("plum-weight", prepared=False)
    bench.split("one", "plum-weight")
    done = sandmle_json("benchmarks", "prepare", *bench.words(), "--split", "one")
    assert done["prepared"] == {"plum-weight": {"downloaded": False, "checksums": "none recorded"}}
    prepared = bench.data / "plum-weight" / "prepared"
    assert {path.name for path in (prepared / "private").iterdir()} == {"answers.csv", "half.txt"}
    assert (prepared / "public" / "description.md").read_text().startswith("# Weigh the fruit")
    assert sandmle_json("benchmarks", "prepare", *bench.words(), "--split", "one")["already"] == ["plum-weight"]


def test_what_is_half_prepared_is_taken_away_again(bench, sandmle):
    bench.add("plum-weight", prepared=False)
    bench.split("one", "plum-weight")
    (bench.data / "plum-weight" / "raw" / "answers.csv").unlink()
    done = sandmle("benchmarks", "prepare", *bench.words(), "--split", "one", "--json", code=1)
    assert "answers.csv" in json.loads(done.stdout)["failed"]["plum-weight"]
    prepared = bench.data / "plum-weight" / "prepared"
    assert not (prepared / "public").exists()
    assert not (prepared / "private").exists()


def test_without_a_token_downloading_is_refused_before_it_fails(bench, sandmle, tmp_path):
    bench.add("plum-weight", prepared=False)
    bench.split("one", "plum-weight")
    shutil.rmtree(bench.data / "plum-weight" / "raw")
    words = ("benchmarks", "prepare", *bench.words(), "--split", "one", "--json")
    bare = {"KAGGLE_CONFIG_DIR": str(tmp_path / "none"), "KAGGLE_API_TOKEN": "", "KAGGLE_KEY": ""}
    assert "finds no token" in sandmle(*words, code=2, **bare).stderr
    asked = sandmle(*words, code=1, KAGGLE_CONFIG_DIR=str(tmp_path / "none"), KAGGLE_API_TOKEN="x")
    assert "https://www.kaggle.com/c/plum-weight/rules" in asked.stderr
    assert "accept its rules" in json.loads(asked.stdout)["failed"]["plum-weight"]
