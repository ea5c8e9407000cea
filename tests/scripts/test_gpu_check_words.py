"""What the GPU check can be told on its command line, and what it makes of it."""

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
DRIVER = ROOT / "scripts" / "gpu_check" / "driver.py"


def driven(tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    given = [sys.executable, str(DRIVER), "--started", str(time.time()), "--work", str(tmp_path), *words]
    return subprocess.run(given, capture_output=True, text=True, cwd=tmp_path, check=False)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--only", "tasks,sfx"), "no stage is called sfx; known: tasks, machine, policy, sft, grpo"),
        (("--set", "taks=3"), "'taks' is none of tasks, demonstrations, repeats"),
        (("--set", "tasks=many"), "'tasks=many': write it as tasks=NUMBER"),
    ],
)
def test_words_that_mean_nothing_are_refused_with_those_that_do(tmp_path: Path, words: tuple[str, ...], says: str):
    told = driven(tmp_path, *words)
    assert told.returncode == 2
    assert says in told.stderr
    assert not (tmp_path / "gpu-check-out").exists()


@pytest.mark.parametrize(("minutes", "limit_s"), [(16, 200), (8, 100), (4, 84), (2, 42)])
def test_fewer_minutes_keep_less_for_later_stages_and_more_give_longer_limits(
    tmp_path: Path, toy_plan: Any, monkeypatch: pytest.MonkeyPatch, minutes: float, limit_s: float
):
    import driver

    given: dict[str, float] = {}
    monkeypatch.setattr(driver.Driver, "_start", lambda self, stage, limit: given.update({stage.name: limit}))
    over = time.monotonic() + driver.LAST_S + 60 * minutes
    first = driver.Stage(name="first", script="", limit_s=100, least_s=0)
    later = replace(first, name="later", least_s=312)
    driver.Driver(toy_plan, tmp_path / "out", over, minutes / driver.MINUTES).run([first, later])
    assert given["first"] == pytest.approx(limit_s, abs=5)


def test_what_a_stage_started_is_ended_although_it_takes_no_notice_of_being_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    import driver

    said = tmp_path / "said"
    deaf = f"trap '' TERM; echo $$ > {said}; while true; do sleep 1; done"
    stage = f"import subprocess; subprocess.run(['bash', '-c', {deaf!r}])"
    log = tmp_path / "log"
    process = subprocess.Popen([sys.executable, "-c", stage], start_new_session=True)
    while not said.exists() or not said.read_text().strip():
        assert process.poll() is None
        time.sleep(0.05)
    ran = driver.Ran(stage=driver.STAGES[0], process=process, began=0.0, ends=1.0, log=log)
    driver.Driver._kill(object.__new__(driver.Driver), ran)
    assert process.returncode is not None
    pid = int(said.read_text())
    for _ in range(600):
        try:
            os.kill(pid, 0)
            if "Z" in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]:
                return
        except (ProcessLookupError, FileNotFoundError):
            return
        time.sleep(0.05)
    pytest.fail("it is still there")
