"""The main job through the program: make tasks, grade, run agents, report."""

import base64
import csv
import hashlib
import io
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest


def digest(root: Path) -> dict[str, str]:
    """Hash of every file of every task directory, by relative path."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for task in sorted(root.glob("*/task.toml"))
        for path in sorted(task.parent.rglob("*"))
        if path.is_file()
    }


def test_one_worker_and_two_make_the_same_bytes(sandmle, corpus, tmp_path):
    sandmle("synth", "-n", 6, "--rng-seed", 7, "--workers", 1, "-o", tmp_path / "again")
    assert digest(tmp_path / "again") == digest(corpus)
    assert (tmp_path / "again" / "manifest.json").read_bytes() == (corpus / "manifest.json").read_bytes()


def test_another_rng_seed_makes_other_tasks(sandmle, corpus, tmp_path):
    sandmle("synth", "-n", 1, "--rng-seed", 8, "-o", tmp_path / "other")
    assert not set(digest(tmp_path / "other").values()) <= set(digest(corpus).values())


def test_check_finds_nothing_on_a_fresh_corpus(sandmle_json, corpus, task_dirs):
    found = sandmle_json("tasks", "check", corpus)
    assert found["problems"] == []
    assert len(task_dirs) == 6


def test_check_names_a_changed_file(sandmle, corpus, task_dirs, tmp_path):
    import shutil

    copy = tmp_path / "corpus" / task_dirs[0].name
    shutil.copytree(task_dirs[0], copy)
    with (copy / "public" / "train.csv").open("a") as file:
        file.write("x")
    done = sandmle("tasks", "check", tmp_path / "corpus", "--json", code=1)
    problems = json.loads(done.stdout)["problems"]
    assert any("public/train.csv" in problem["message"] for problem in problems)


def test_the_oracle_earns_gold_and_a_constant_no_medal(sandmle_json, task_dirs, tmp_path):
    for task in task_dirs:
        oracle = sandmle_json("grade", task, task / "private" / "oracle.csv")
        assert (oracle["valid"], oracle["medal"]) == (True, "gold"), task.name
        rows = list(csv.reader(io.StringIO((task / "public" / "sample_submission.csv").read_text("utf-8"))))
        constant = tmp_path / "constant.csv"
        constant.write_text(
            "\n".join(",".join([row[0], *rows[1][1:]]) if n else ",".join(row) for n, row in enumerate(rows))
        )
        verdict = sandmle_json("grade", task, constant)
        assert (verdict["valid"], verdict["medal"], verdict["above_median"]) == (True, "none", False), task.name


def test_a_path_that_no_program_can_use_is_said_and_no_traceback(sandmle):
    for words in (("tasks", "list"), ("grade", "x"), ("plugins", "check"), ("report", "--tasks")):
        done = sandmle(*words, "a" * 300, code=2)
        assert (done.stdout, "File name too long" in done.stderr, "Traceback" in done.stderr) == ("", True, False)


@pytest.mark.parametrize(("content", "problem"), [("", "empty"), ("nothing,here\n1,2\n", "column"), ("\x00\x01", "")])
def test_an_unusable_submission_is_invalid_with_a_reason(sandmle_json, task_dirs, tmp_path, content, problem):
    file = tmp_path / "submission.csv"
    file.write_text(content)
    verdict = sandmle_json("grade", task_dirs[0], file)
    assert (verdict["valid"], verdict["score"], verdict["medal"], verdict["human_rank"]) == (False, None, "none", None)
    assert problem in verdict["problem"].lower()


SEARCH = """
import os
marker = {marker!r}
found = []
for top, folders, files in os.walk("/"):
    folders[:] = [name for name in folders if name not in ("sys", "site-packages")]
    for name in files:
        path = os.path.join(top, name)
        try:
            if name in ("answers.csv", "oracle.csv", "leaderboard.csv", "task.toml"):
                found.append(path)
            elif os.path.isfile(path) and os.path.getsize(path) < 2_000_000:
                found += [path] if marker.encode() in open(path, "rb").read() else []
        except OSError:
            pass
print("FOUND", found)
print(sorted(os.listdir("data"))[:3])
open("submission.csv", "w").write("id,target\\n1,2\\n")
"""


@pytest.mark.parametrize("backend", ["process", "jupyter"])
def test_a_cell_that_looks_for_the_answers_does_not_find_them(sandmle_json, task_dirs, tmp_path, backend):
    task = task_dirs[0]
    answers = (task / "private" / "answers.csv").read_text("utf-8").splitlines()
    looking, after = tmp_path / "looking.py", tmp_path / "after.py"
    looking.write_text(SEARCH.format(marker="\n".join(answers[:4])))
    after.write_text("import os\nprint(len(os.environ.get('SECRET_OF_THE_PARENT', '')), marker[:2] != '')")
    found = sandmle_json(
        "sandbox", "run", "--backend", backend, "--public", task / "public", looking, after,
        "--fetch", "submission.csv", "--timeout", 60, SECRET_OF_THE_PARENT="hunter2",
    )  # fmt: skip
    first, second = found["cells"]
    assert first["status"] == "ok", first
    assert "FOUND []" in first["stdout"]
    assert second["stdout"].strip() == "0 True"
    fetched = found["fetched"]["submission.csv"]
    text = fetched["text"] if "text" in fetched else base64.b64decode(fetched["base64"]).decode()
    assert text == "id,target\n1,2\n"


def test_stronger_agents_do_better_and_the_report_shows_them(sandmle, sandmle_json, corpus, tmp_path):
    ranks = {}
    runs = []
    for agent in ("agent-weak", "agent", "agent-strong"):
        runs.append(tmp_path / agent)
        found = sandmle_json("run", "--tasks", corpus, "--model", f"offline/{agent}", "-k", 1, "-o", runs[-1])
        ranks[agent] = found["agents"][0]["human_rank"]["mean"]
        lines = (runs[-1] / "episodes.jsonl").read_text("utf-8").splitlines()
        assert len(lines) == 6
    assert ranks["agent-weak"] < ranks["agent"] < ranks["agent-strong"], ranks
    report = tmp_path / "report.html"
    sandmle("report", "--tasks", corpus, *(f"--run={run}" for run in runs), "-o", report)
    page = report.read_text("utf-8")
    assert all(f"offline/{agent}" in page for agent in ranks)


def test_rescoring_gives_another_presets_rewards_without_a_model(sandmle, sandmle_json, corpus, tmp_path):
    sandmle("run", "--tasks", corpus, "--model", "offline/agent-weak", "-k", 1, "-o", tmp_path / "run")
    before = (tmp_path / "run" / "episodes.jsonl").read_bytes()
    sandmle_json("rescore", tmp_path / "run", "--reward", "sparse")
    assert (tmp_path / "run" / "episodes.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (
            ("run", "--tasks", "CORPUS", "-o", "OUT", "--scaffold", "reacct"),
            "no scaffold named 'reacct'; did you mean 'react'?",
        ),
        (("run", "--tasks", "CORPUS", "-o", "OUT", "--model", "offline/agnt"), "offline/agent"),
        (("run", "--tasks", "CORPUS", "-o", "OUT", "--set", "run.grup_size=3"), "did you mean 'group_size'?"),
        (("run", "--tasks", "CORPUS", "-o", "OUT", "--reward", "sparce"), "sparse"),
        (("run", "--tasks", "NOWHERE", "-o", "OUT"), "NOWHERE"),
        (("grade", "NOWHERE", "NOWHERE/submission.csv"), "NOWHERE"),
        (("board", "medals", "NOWHERE", "--scores-file", "NOWHERE"), "NOWHERE"),
        (("sandbox", "run", "--backend", "dokcer", __file__), "no sandbox named 'dokcer'"),
    ],
)
def test_a_wrong_word_is_answered_with_the_nearest(sandmle, corpus, tmp_path, words, complaint):
    places = {"CORPUS": str(corpus), "OUT": str(tmp_path / "out")}
    done = sandmle(*(places.get(word, word) for word in words), code=2)
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_the_configuration_is_shown_as_toml_that_can_be_read_back(sandmle):
    shown = tomllib.loads(sandmle("config", "show", "--set", "run.max_turns=7").stdout)
    assert shown["run"]["max_turns"] == 7
    # Keys that are left unset have no word in TOML.
    assert "cells_at_once" not in shown["run"]


def test_every_built_in_is_listed_with_kind_name_and_source(sandmle_json):
    listed = {(row["kind"], row["name"], row["source"]) for row in sandmle_json("plugins", "list")["plugins"]}
    for kind, name in (
        ("sandbox", "process"), ("sandbox", "jupyter"), ("llm", "litellm"), ("llm", "offline"), ("scaffold", "react"),
        ("seeds", "builtin"), ("role", "data-strategist"), ("role", "ml-developer"), ("role", "mlops-engineer"),
        ("role", "technical-writer"), ("milestone", "format"), ("milestone", "gold"), ("benchmark", "corpus"),
        ("benchmark", "realdata"),
    ):  # fmt: skip
        assert (kind, name, "sandmle") in listed


def test_interrupted_while_it_starts_it_leaves_without_a_traceback(tmp_path):
    # A plugin that the person interrupts while it is imported stands for any slow start.
    (tmp_path / "slow_start.py").write_text("raise KeyboardInterrupt\n")
    info = tmp_path / "slow_start-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: slow_start\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[sandmle]\nslow_start = slow_start\n")
    done = subprocess.run(
        [sys.executable, "-m", "sandmle.cli", "plugins", "list"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "SANDMLE_PLUGINS": "slow_start"},
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
