"""`sandmle eval` as a user types it, on small checkouts of the formats, and on the peers' own where one is named."""

import asyncio
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from sandmle.core.engine.grading import LocalGrader
from sandmle.core.hooks.manager import load_plugins
from sandmle.core.hooks.registry import Kind

STAND_INS = Path(__file__).parents[1] / "exchange" / "stand_ins"
PACKAGES = {"mlebench": "appdirs diskcache tenacity tqdm yaml py7zr", "mledojo": "gymnasium psutil rich py7zr"}
QUICK = ("--model", "offline/agent", "-k", 1, "--concurrency", 2)


def checkout(peer):
    """The peer's own checkout, or a skip that says what is missing."""
    variable = f"{peer.upper()}_CHECKOUT"
    root = os.environ.get(variable)
    if not root:
        pytest.skip(f"{variable} is not set: it names a checkout of the peer, whose own code this test runs")
    check = "import importlib.util, sys; print(*[n for n in sys.argv[1:] if not importlib.util.find_spec(n)])"
    python = os.environ.get("PEERS_PYTHON", sys.executable)
    words = [python, "-c", check, *PACKAGES[peer].split()]
    missing = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    if missing:
        pytest.skip(f"{python} cannot import {', '.join(missing)}, which {peer} needs; see docs/benchmarks.md")
    return Path(root)


def evaluate(sandmle_json, benchmark, root, out, *words):
    python = os.environ.get("PEERS_PYTHON", sys.executable)
    asked = ("eval", "--benchmark", benchmark, "--checkout", root, "--python", python, "-o", out, *QUICK, *words)
    return sandmle_json(*asked)


def test_eval_gives_mlebenchs_report_and_resumes(bench, sandmle, sandmle_json, tmp_path):
    bench.split("low", "apple-weight")
    words = ("eval", *bench.words(), "--split", "lite", "--scaffold", "react", "-o", tmp_path / "out", *QUICK)
    report = sandmle_json(*words)
    assert [report[name] for name in ("total_runs", "total_runs_with_submissions", "total_valid_submissions")] == [
        1,
        1,
        1,
    ]
    [one] = report["competition_reports"]
    assert (one["competition_id"], one["valid_submission"], one["is_lower_better"]) == ("apple-weight", True, True)
    # The agent models what the noise leaves, and so reaches gold.
    assert one["score"] < 0.2
    assert one["gold_medal"] is True
    ours = report["sandmle"]
    assert (ours["feedback"], ours["complete"], ours["seeds"]) == ("validate_only", True, 1)
    assert ours["headline"] == {"mean": 100.0, "ci_lower": 100.0, "ci_upper": 100.0, "standard_error": 0.0}
    episode = json.loads((tmp_path / "out" / "run" / "episodes.jsonl").read_text())
    said = [step["observation"]["text"] for step in episode["trajectory"]["steps"] if step["observation"]["grade"]]
    assert said == ["The submission is valid."]
    seed = json.loads((tmp_path / "out" / "reports" / "seed-0_grading_report.json").read_text())
    assert seed["competition_reports"] == report["competition_reports"]
    # The same command has nothing left to play, and reports the same.
    assert sandmle_json(*words) == report
    # A board that changed in between would give other medals: the run is not gone on with.
    board = bench.competition("apple-weight") / "leaderboard.csv"
    board.write_text(board.read_text().replace("0.02000", "0.01000"))
    assert "apple-weight" in sandmle(*words, "--json", code=2).stderr


def test_a_board_of_the_public_rows_is_refused_since_there_is_none(bench, sandmle, tmp_path):
    words = ("eval", *bench.words(), "-o", tmp_path / "out", "--feedback", "public_board")
    assert "no public board" in sandmle(*words, code=2).stderr


def test_our_scaffolds_play_inside_mledojos_environment(dojo, sandmle_json, tmp_path):
    words = ("--benchmark", "mledojo", "--data", dojo.data, "--split", "mle-lite", "--scaffold", "react")
    report = sandmle_json("eval", *words, "--checkout", dojo.checkout, "-o", tmp_path / "out", "--inside", *QUICK)
    [one] = report["competitions"]
    assert report["sandbox"] == "mledojo L0"
    assert one["valid_submission_rate"]["mean"] == 1.0
    assert one["human_rank"]["mean"] > 0.8
    [history] = (tmp_path / "out" / "work" / "environments").glob("*/env_history/history.json")
    assert json.loads(history.read_text())["actions"][-1]["reward"] == one["human_rank"]["mean"]


def both_bridges_agree(sandmle_json, corpus_tasks, roots, tmp_path, scaffold):
    """One task of ours, played where it was made and, exported, through both bridges and inside MLE-Dojo."""
    task = corpus_tasks[0]
    manifest = tmp_path / "one.txt"
    manifest.write_text(f"{task}\n")
    for peer in roots:
        sandmle_json("export", "tasks", manifest, "--format", peer, "-o", tmp_path / peer)
    words = ("--scaffold", scaffold, "--split", "all")
    found = {
        peer: evaluate(sandmle_json, peer, root, tmp_path / f"out-{peer}", "--export", tmp_path / peer, *words)
        for peer, root in roots.items()
    }
    inside = evaluate(
        sandmle_json,
        *("mledojo", roots["mledojo"], tmp_path / "inside", "--export", tmp_path / "mledojo", "--inside", *words),
    )
    mine = ("--tasks", manifest, "--scaffold", scaffold, "--feedback", "validate_only", *QUICK, "-o", tmp_path / "ours")
    sandmle_json("run", *mine)
    [grade] = [json.loads(line)["grade"] for line in (tmp_path / "ours" / "episodes.jsonl").read_text().splitlines()]
    [bench] = found["mlebench"]["competition_reports"]
    [dojo] = found["mledojo"]["competitions"]
    assert grade["valid"] is True
    assert bench["score"] == grade["score"] == dojo["raw_scores"][0]
    assert dojo["human_rank"]["mean"] == grade["human_rank"]
    assert [name for name in ("gold", "silver", "bronze") if bench[f"{name}_medal"]] == (
        [] if grade["medal"] == "none" else [grade["medal"]]
    )
    assert bench["above_median"] is grade["above_median"]
    [there] = inside["competitions"]
    assert (inside["sandbox"], there["raw_scores"], there["human_rank"]) == (
        "mledojo L0",
        dojo["raw_scores"],
        dojo["human_rank"],
    )


@pytest.mark.slow
def test_an_exported_task_ends_in_equal_reports_through_both_bridges(sandmle_json, task_dirs, tmp_path):
    roots = {peer: STAND_INS / peer for peer in PACKAGES}
    both_bridges_agree(sandmle_json, task_dirs, roots, tmp_path, "react")


@pytest.mark.peers
@pytest.mark.slow
@pytest.mark.parametrize("scaffold", ["react", "aide"])
def test_the_peers_own_code_ends_in_equal_reports(sandmle_json, task_dirs, tmp_path, scaffold):
    both_bridges_agree(sandmle_json, task_dirs, {peer: checkout(peer) for peer in PACKAGES}, tmp_path, scaffold)


JUNK = (
    b"",
    b"NA",
    b"nan",
    b"inf",
    b"1e400",
    b"1_0",
    b"0x1",
    b"True",
    b"plum",
    b" 1 ",
    b"\xff",
    b"9" * 15,
    b'"1"',
    b"01",
    b"+1",
    b"1e0",
    b"\v1\t",
    b"1.7187\x1c",
    b"\xc2\xa01",
)
SPOILING = (
    lambda header, rows, at, junk: (header, [*rows[:at], [*rows[at][:-1], junk], *rows[at + 1 :]]),
    lambda header, rows, at, junk: (header, [*rows[:at], [junk, *rows[at][1:]], *rows[at + 1 :]]),
    lambda header, rows, at, junk: (header, [*rows[:at], [rows[at][0] + b".0", *rows[at][1:]], *rows[at + 1 :]]),
    lambda header, rows, at, junk: (header, [*rows[:at], [b"0" + rows[at][0], *rows[at][1:]], *rows[at + 1 :]]),
    lambda header, rows, at, junk: (header, [*rows[:at], [junk], *rows[at:]]),
    lambda header, rows, at, junk: (header, rows[:at] + rows[at + 1 :]),
    lambda header, rows, at, junk: (header, [*rows, rows[at]]),
    lambda header, rows, at, junk: (header, [*rows[at:], *rows[:at]]),
    lambda header, rows, at, junk: (header, [*rows[:at], rows[at][:1], *rows[at + 1 :]]),
    lambda header, rows, at, junk: (header, [*rows[:at], [*rows[at], b"9"], *rows[at + 1 :]]),
    lambda header, rows, at, junk: ([*header, b"note"], [[*row, b"x"] for row in rows]),
    lambda header, rows, at, junk: (header[::-1], [row[::-1] for row in rows]),
    lambda header, rows, at, junk: ([b"\xef\xbb\xbf" + header[0], *header[1:]], rows),
    lambda header, rows, at, junk: ([b" ID", *header[1:]], rows),
)
"""Cells, ids, rows, columns and names exchanged, left out, repeated, moved, cut, too long."""


def spoilt(good, rng):
    """A right submission with one or two things wrong with it, and some torn off."""
    header, *rows = [row.split(b",") for row in good.strip().split(b"\n")]
    for _ in range(rng.randint(1, 2)):
        header, rows = rng.choice(SPOILING)(header, rows, rng.randrange(len(rows)), rng.choice(JUNK))
    text = rng.choice((b"\n", b"\r\n")).join(b",".join(row) for row in [header, *rows]) + rng.choice((b"", b"\n"))
    return text[: rng.randrange(len(text) + 1)] if rng.random() < 0.1 else text


async def verdicts(graders, files):
    """For each file what each grader says of it, in the order of the graders."""
    try:
        return [[await grader.grade(task_dir, content) for task_dir, grader in graders] for content in files]
    finally:
        for _, grader in graders:
            await grader.close()


def spoilt_files_are_judged_alike(sandmle_json, task, roots, tmp_path, count):
    registry = load_plugins(builtins=["sandmle.plugins.benchmarks.plugin"]).registry
    graders = [(task, LocalGrader())]
    for peer, root in roots.items():
        sandmle_json("export", "tasks", task, "--format", peer, "-o", tmp_path / peer)
        options = {"checkout": root, "export": tmp_path / peer, "work": tmp_path / f"work-{peer}"}
        options["python"] = os.environ.get("PEERS_PYTHON", sys.executable)
        benchmark = registry.make(Kind.BENCHMARK, peer, options)
        graders.append((benchmark.task_dirs()[0], benchmark.open_grader()))
    rng, good = random.Random(11), (task / "private" / "oracle.csv").read_bytes()
    files = [good, *(spoilt(good, rng) for _ in range(count))]
    for content, (ours, bench, dojo) in zip(files, asyncio.run(verdicts(graders, files)), strict=True):
        where = f"{content[:200]!r}: {ours}, {bench}, {dojo}"
        assert ours.valid is bench.valid is dojo.valid, where
        assert ours.score == bench.score == dojo.score, where
        assert (ours.medal, ours.above_median) == (bench.medal, bench.above_median), where
        assert ours.human_rank == bench.human_rank == dojo.human_rank, where


@pytest.mark.slow
def test_spoilt_submissions_are_judged_alike_by_ours_and_both_formats(sandmle_json, task_dirs, tmp_path):
    roots = {peer: STAND_INS / peer for peer in PACKAGES}
    spoilt_files_are_judged_alike(sandmle_json, task_dirs[0], roots, tmp_path, 60)


@pytest.mark.peers
@pytest.mark.slow
def test_spoilt_submissions_are_judged_alike_by_the_peers_own_code(sandmle_json, task_dirs, tmp_path):
    roots = {peer: checkout(peer) for peer in PACKAGES}
    for number, task in enumerate(task_dirs[:3]):
        spoilt_files_are_judged_alike(sandmle_json, task, roots, tmp_path / str(number), 300)


@pytest.mark.peers
@pytest.mark.slow
def test_the_peers_own_code_and_ours_agree_on_random_boards(tmp_path):
    roots = {peer: checkout(peer) for peer in PACKAGES}
    script = Path(__file__).parents[3] / "benchmarks" / "board_parity.py"
    words = [os.environ.get("PEERS_PYTHON", sys.executable), str(script), "--boards", "300"]
    for peer, root in roots.items():
        words += [f"--{peer}", str(root)]
    path = os.pathsep.join(filter(None, [str(script.parents[1]), os.environ.get("PYTHONPATH", "")]))
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
