"""What a long cell writes is seen while it runs, and is still there when it was stopped."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sandmle.core.types.sandbox import CellResult, CellStatus, FetchRefusal
from sandmle.plugins.sandboxes.watching import Stream, run_watched

CELL = """
import subprocess, sys, time
print("begun")
subprocess.run(["echo", "from a program"])
print("a warning", file=sys.stderr)
time.sleep(600)
"""


@pytest.mark.parametrize("backend", ["process", "jupyter"])
def test_lines_come_on_stderr_while_the_cell_runs_and_are_kept_in_the_document(backend: str, tmp_path: Path) -> None:
    (tmp_path / "cell.py").write_text(CELL)
    words = ["sandbox", "run", "--backend", backend, "--timeout", "6", "--json", str(tmp_path / "cell.py")]
    with subprocess.Popen(
        [sys.executable, "-m", "sandmle.cli", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert process.stdout is not None
        said = {process.stderr.readline() for _ in range(3)}
        assert process.poll() is None
        assert said == {f"{tmp_path}/cell.py: {line}\n" for line in ("begun", "from a program", "a warning")}
        document = json.loads(process.stdout.read())
    [cell] = document["cells"]
    assert (process.returncode, cell["status"], cell["stdout"]) == (0, "timeout", "begun\nfrom a program\n")
    assert cell["stderr"].rstrip("\n") == "a warning\n[the session is dead: a cell did not end within 6 s]"


def test_each_line_is_told_once_and_only_when_it_is_whole() -> None:
    stream = Stream()
    assert stream.fresh("") == []
    assert stream.fresh("one\ntw") == ["one"]
    assert stream.fresh("one\ntwo\n\nthree\n") == ["two", "", "three"]
    assert stream.fresh("one\ntwo\n\nthree\n") == []
    assert stream.fresh("one\n[... 9 characters left out ...]\nseven\n") == ["seven"]
    assert stream.fresh("one\n[... 12 characters left out ...]\nseven\n") == []
    assert stream.fresh("one\n[... 19 characters left out ...]\neight\nni") == ["eight"]


class Mute:
    """A session of somebody else's sandbox, which cannot be watched."""

    async def run(self, code: str, timeout_s: float) -> CellResult:
        return CellResult(status=CellStatus.OK, stdout=code, stderr="", wall_s=timeout_s)

    async def fetch(self, path: str, max_bytes: int) -> FetchRefusal:
        return FetchRefusal(path=path, reason="there are no files")

    async def fetch_tree(self, path: str, max_bytes: int, max_files: int) -> FetchRefusal:
        return FetchRefusal(path=path, reason="there are no files")

    async def end(self) -> None:
        return


async def test_a_session_that_cannot_be_watched_runs_its_cells_all_the_same() -> None:
    told: list[str] = []
    assert (await run_watched(Mute(), "1", 14_400.0, told.append)).wall_s == 14_400.0
    assert told == []
