"""`sandmle matrix` as the program itself: killed and resumed, it gives the table of a matrix that was not."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

PATIENCE_S = 300


@pytest.fixture
def words(task_dirs, tmp_path):
    """The words of a matrix of two models and three scaffolds on two tasks, but for its directory."""
    for task in task_dirs[:2]:
        shutil.copytree(task, tmp_path / "tasks" / task.name)
    models = "luck=offline/random-running-program,teacher=offline/demonstrator"
    return [
        *("matrix", "--models", models, "--scaffolds", "react,codeact,mle_agent", "--tasks", tmp_path / "tasks"),
        *("-k", 1, "--feedback", "validate_only", "--set", "run.max_turns=5"),
    ]


def episodes_in(folder):
    return sum(file.read_bytes().count(b"\n") for file in folder.glob("runs/*/*/episodes.jsonl"))


def killed(words, folder, at):
    """Start it, and kill it without warning once so many episodes are recorded."""
    process = subprocess.Popen(
        [sys.executable, "-m", "sandmle.cli", *map(str, words), "-o", str(folder)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    until = time.monotonic() + PATIENCE_S
    while episodes_in(folder) < at:
        assert time.monotonic() < until, "it did not come to pass"
        if process.poll() is not None:
            pytest.fail(f"it ended early ({process.returncode}): {process.stderr.read()[-3000:]}")
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()


def table_of(document, folder):
    """Everything but where it lies."""
    return json.loads(json.dumps(document).replace(str(folder), "OUT"))


def test_killed_twice_and_resumed_it_gives_the_same_table(sandmle, sandmle_json, words, tmp_path):
    first, second = tmp_path / "killed", tmp_path / "whole"
    killed(words, first, at=2)
    killed(words, first, at=7)
    resumed, whole = sandmle_json(*words, "-o", first), sandmle_json(*words, "-o", second)
    assert resumed["complete"]
    assert (len(resumed["cells"]), resumed["base"], resumed["failures"]) == (6, "luck", [])
    assert table_of(resumed, first) == table_of(whole, second)

    page = (first / "report.html").read_text("utf-8")
    assert page.count('class="heat"') == 6
    assert "Models by scaffolds" in page
    text = sandmle(*words, "-o", first).stdout
    assert "gains are over 'luck' under the same scaffold" in text
    again = sandmle_json("report", "--matrix", first, "-o", tmp_path / "r.html")["matrix"]
    assert again["cells"] == resumed["cells"]


def test_names_that_are_not_there_are_refused(sandmle, words, tmp_path):
    wrong = [word if word != "react,codeact,mle_agent" else "react,codact" for word in words]
    refused = sandmle(*wrong, "-o", tmp_path / "m", code=2).stderr
    assert "no scaffold named 'codact'; did you mean 'codeact'?" in refused
    assert not (tmp_path / "m").exists()
