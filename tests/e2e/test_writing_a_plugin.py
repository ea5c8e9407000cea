"""Every command of docs/writing-a-plugin.md runs, in the page's order, in an empty folder."""

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "writing-a-plugin.md"
COMMANDS = [
    line
    for block in re.findall(r"```bash\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    for line in block.splitlines()
]
PIP = '"{python}" -m pip "$@" -q --no-deps --no-build-isolation --upgrade --target "$PYTHONPATH"'
"""Into a folder of the test's own, and without a package index: what the packages need is here."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("empty")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """`sandmle`, `pip` and `pytest` are this interpreter's, whatever is on the path of who runs the tests."""
    programs, installed = tmp_path_factory.mktemp("bin"), tmp_path_factory.mktemp("installed")
    lines = {
        "sandmle": '"{python}" -m sandmle.cli "$@"',
        "pytest": '"{python}" -m pytest -p no:cacheprovider "$@"',
        "pip": PIP,
    }
    for name, line in lines.items():
        program = programs / name
        program.write_text(f"#!/bin/sh\nexec {line.format(python=sys.executable)}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    path = f"{programs}{os.pathsep}{os.environ.get('PATH', '')}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(installed), "PYTHONDONTWRITEBYTECODE": "1"}


def test_the_page_begins_a_scaffold_and_ends_in_the_report():
    assert COMMANDS[:3] == ["sandmle plugins new scaffold demo-agent", "pip install ./demo-agent", "pytest demo-agent"]
    assert any(line.startswith("sandmle report ") for line in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_command_works(command, folder, environment):
    done = subprocess.run(
        ["/bin/sh", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"


def test_the_scaffold_stands_in_the_report_with_its_episodes(folder):
    page = (folder / "report.html").read_text("utf-8")
    assert "demo-agent" in page
    episodes = [json.loads(line) for line in (folder / "run" / "episodes.jsonl").read_text("utf-8").splitlines()]
    assert [(one["scaffold"], one["outcome"]) for one in episodes] == [("demo-agent", "scored")] * 2
