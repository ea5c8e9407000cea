"""The driver of the GPU check: stages fail, hang and run out of time, and what was found is there nevertheless."""

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SPEAKING = """
from plan import begin
_, findings, _ = begin()
findings.row("what", "figure")
findings.facts(number=3)
{then}
findings.finish()
"""


@pytest.fixture
def driver(tmp_path: Path, toy_plan: Any, monkeypatch: pytest.MonkeyPatch):
    """A driver over stages that are written by the tests."""
    import driver as module

    scripts = tmp_path / "scripts" / "gpu_check"
    scripts.mkdir(parents=True)
    (scripts / "plan.py").symlink_to(ROOT / "scripts" / "gpu_check" / "plan.py")

    def run(
        stages: dict[str, str], seconds: float = 60, limit_s: float = 30, least_s: float = 0, aside: str = ""
    ) -> tuple[bool, dict]:
        for name, then in stages.items():
            (scripts / f"{name}.py").write_text(SPEAKING.format(then=then), "utf-8")
        one = module.Driver(toy_plan, tmp_path / "out", time.monotonic() + seconds + module.LAST_S, 1.0)
        try:
            one.run(
                [
                    module.Stage(name=n, script=f"{n}.py", limit_s=limit_s, least_s=least_s, aside=n == aside)
                    for n in stages
                ]
            )
            well = one.finish(time.time())
        finally:
            one.stop()
        return well, json.loads((tmp_path / "out" / "gpu_check.json").read_text("utf-8"))

    return run


def test_what_every_stage_found_is_in_the_table_and_the_file(driver, tmp_path: Path):
    well, document = driver({"one": "", "two": ""})
    assert well
    assert [stage["facts"] for stage in document["stages"].values()] == [{"number": 3}, {"number": 3}]
    assert (tmp_path / "out" / "gpu_check.md").read_text("utf-8").count("| what | figure |") == 3


def test_a_stage_that_fails_stops_no_other_and_the_end_of_its_log_is_shown(driver, capsys: pytest.CaptureFixture[str]):
    well, document = driver({"one": "raise ValueError('of its own')", "two": ""})
    assert not well
    assert {name: one["verdict"] for name, one in document["stages"].items()} == {"one": "FAILED", "two": "ok"}
    assert document["stages"]["one"]["rows"] == [["what", "figure"]]
    assert "=== the end of one's log" in capsys.readouterr().out


def test_a_problem_is_a_failure(driver):
    well, document = driver({"one": "findings.expect(1 > 2, 'one is not more than two')"})
    assert not well
    assert document["stages"]["one"]["problems"] == ["one is not more than two"]


def test_a_stage_that_hangs_is_ended_with_its_children(driver, tmp_path: Path):
    pid = tmp_path / "pid"
    hang = (
        f"import subprocess; c = subprocess.Popen(['sleep', '60']); open({str(pid)!r}, 'w').write(str(c.pid)); c.wait()"
    )
    well, document = driver({"one": hang, "two": ""}, limit_s=8)
    assert not well
    assert {name: one["verdict"] for name, one in document["stages"].items()} == {"one": "FAILED", "two": "ok"}
    stat = Path(f"/proc/{pid.read_text()}/stat")
    # What was killed needs a processor to end, and somebody to reap it.
    for _ in range(600):
        with contextlib.suppress(OSError):
            if stat.read_text().rpartition(")")[2].split()[0] != "Z":
                time.sleep(0.05)
                continue
        return
    pytest.fail("a child of the stage is still there")


def test_a_stage_that_runs_beside_others_is_waited_for(driver):
    well, document = driver({"one": "import time; time.sleep(1)", "two": ""}, aside="one")
    assert well
    assert [one["complete"] for one in document["stages"].values()] == [True, True]


def test_a_stage_for_which_no_time_is_left_is_named(driver):
    _, document = driver({"one": "", "two": ""}, seconds=10, least_s=8)
    assert document["left_out"] == {"one": "no time was left for it"}
    assert document["stages"]["two"]["verdict"] == "ok"


def test_wheels_of_the_list_are_pinned_one_version_each():
    lines = (ROOT / "scripts" / "gpu_check" / "wheels.txt").read_text("utf-8").split()
    names = [line.partition("==")[0] for line in lines]
    assert all("==" in line for line in lines)
    assert len(names) == len(set(names))


def test_the_script_says_what_is_missing_where_there_is_no_python_to_run_with(tmp_path: Path):
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "gpu_check.sh").write_text((ROOT / "scripts" / "gpu_check.sh").read_text("utf-8"), "utf-8")
    told = subprocess.run(
        ["bash", str(tmp_path / "scripts" / "gpu_check.sh"), "--cpu-small"],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin"},
        check=False,
    )
    assert told.returncode == 2
    assert "docs/gpu-check.md" in told.stderr


def test_an_ended_script_leaves_nothing_behind(tmp_path: Path):
    words = [
        "bash",
        str(ROOT / "scripts" / "gpu_check.sh"),
        "--cpu-small",
        "--only",
        "tasks",
        "--out",
        str(tmp_path / "o"),
    ]
    environment = {**os.environ, "GPU_CHECK_PYTHON": sys.executable, "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("--- tasks")
    process.terminate()
    assert process.wait(120) == 143
    process.stdout.close()
    assert list(tmp_path.glob("sandmle-gpu-*")) == []


def test_the_help_names_its_options():
    words = [sys.executable, str(ROOT / "scripts" / "gpu_check" / "driver.py"), "--help"]
    told = subprocess.run(words, capture_output=True, text=True, check=True)
    assert {"--minutes", "--size", "--cpu-small", "--out"} <= set(told.stdout.replace("[", " ").split())
