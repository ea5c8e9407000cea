"""A run is killed, interrupted and started again, as the program itself in processes of their own."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter

import psutil
import pytest

GROUP_SIZE = 4
PATIENCE_S = 240


@pytest.fixture
def run_words(task_dirs, tmp_path):
    """The words of a run of two tasks, as a user types them."""
    for task in task_dirs[:2]:
        shutil.copytree(task, tmp_path / "tasks" / task.name)
    words = [
        "--tasks",
        tmp_path / "tasks",
        "--scaffold",
        "react",
        "--model",
        "offline/agent-weak",
        "-o",
        tmp_path / "r",
    ]
    return [*map(str, words), "-k", str(GROUP_SIZE), "--concurrency", "2"]


@pytest.fixture
def start(run_words):
    started = []

    def launch():
        process = subprocess.Popen(
            [sys.executable, "-m", "sandmle.cli", "run", *run_words, "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield launch
    for process in started:
        process.kill()
        process.communicate()


def lines_of(tmp_path):
    file = tmp_path / "r" / "episodes.jsonl"
    return file.read_bytes().count(b"\n") if file.exists() else 0


def wait_for(condition, process=None):
    until = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until, "it did not come to pass"
        if process is not None and process.poll() is not None:
            pytest.fail(f"the run ended early ({process.returncode}): {process.stderr.read()[-3000:]}")
        time.sleep(0.02)


def descendants(process):
    return psutil.Process(process.pid).children(recursive=True)


def all_gone(processes):
    return not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in processes)


def slots_of(tmp_path):
    lines = (tmp_path / "r" / "episodes.jsonl").read_text().splitlines()
    return Counter((record["task_id"], record["slot"]) for record in map(json.loads, lines))


def expected_slots(tmp_path):
    tasks = [path.name for path in (tmp_path / "tasks").iterdir()]
    return Counter((task, slot) for task in tasks for slot in range(GROUP_SIZE))


def test_killed_several_times_it_ends_with_every_slot_exactly_once(start, run_words, sandmle_json, tmp_path):
    orphans = []
    for _ in range(3):
        process, before = start(), lines_of(tmp_path)
        wait_for(lambda: lines_of(tmp_path) > before, process)  # noqa: B023 - called at once
        orphans += descendants(process)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    with (tmp_path / "r" / "episodes.jsonl").open("ab") as file:
        file.write(b'{"episode_id":"half a rec')
    summary = sandmle_json("run", *run_words)
    assert slots_of(tmp_path) == expected_slots(tmp_path)
    assert (summary["complete"], summary["episodes"]) == (True, 2 * GROUP_SIZE)
    assert orphans
    wait_for(lambda: all_gone(orphans))


def test_interrupted_once_it_drains_and_the_same_words_go_on(start, run_words, sandmle_json, tmp_path):
    process = start()
    wait_for(lambda: lines_of(tmp_path) > 0, process)
    children = descendants(process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 3, err[-3000:]
    summary = json.loads(out)
    assert (summary["interrupted"], summary["complete"]) == (True, False)
    assert summary["episodes"] == lines_of(tmp_path) < 2 * GROUP_SIZE
    wait_for(lambda: all_gone(children))
    sandmle_json("run", *run_words)
    assert slots_of(tmp_path) == expected_slots(tmp_path)


def test_interrupted_twice_it_stops_at_once_and_leaves_no_process(start, tmp_path):
    process = start()
    wait_for(lambda: lines_of(tmp_path) > 0, process)
    children = descendants(process)
    process.send_signal(signal.SIGINT)
    for line in process.stderr:
        if "interrupted" in line:
            break
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode in (130, -signal.SIGINT), err[-3000:]
    assert "Traceback" not in err
    wait_for(lambda: all_gone(children))


def test_two_processes_cannot_fill_one_directory_and_other_words_are_refused(start, run_words, sandmle, tmp_path):
    process = start()
    wait_for((tmp_path / "r" / "config.toml").exists, process)
    # Held still, it cannot be done before the second has had its try.
    process.send_signal(signal.SIGSTOP)
    assert "another process is running in" in sandmle("run", *run_words, code=2).stderr
    process.kill()
    process.wait()
    refused = sandmle("run", *run_words, "--reward", "sparse", code=2).stderr
    assert "run.reward: was 'release', is 'sparse'" in refused
    changed = min((tmp_path / "tasks").iterdir()) / "task.toml"
    changed.write_text(changed.read_text() + "\n")
    assert f"tasks.{changed.parent.name}: was" in sandmle("run", *run_words, code=2).stderr
