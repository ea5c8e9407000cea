"""The grid's programs in the real sandbox, graded by the real grader, stored and found again."""

import json
from dataclasses import asdict
from hashlib import sha256

import pytest
from typer.testing import CliRunner

from sandmle.cli import build_app
from sandmle.core.engine.tasks import list_tasks
from sandmle.core.engine.toolkit import Toolkit, open_toolkit
from sandmle.core.errors import StoreError
from sandmle.core.hooks.manager import load_plugins
from sandmle.plugins.llms.offline.demonstrator.grid import grid, program_sha256
from sandmle.plugins.llms.offline.demonstrator.measuring import STATS, Result, measure
from sandmle.plugins.llms.offline.demonstrator.programs import Program

GOOD = Program(features="squares", fill="median", model="linear", setting="a", output="value")
PLAIN = Program(features="num", fill="median", model="linear", setting="a", output="value")
FAILS = Program(features="words", fill="median", model="linear", setting="a", output="value")


@pytest.fixture
def toolkit(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return open_toolkit()


async def test_programs_run_are_graded_and_are_not_run_again(toolkit, parabola, tmp_path):
    tasks = list_tasks(tmp_path / "tasks")
    told: list[tuple[int, int]] = []
    results = await measure(toolkit, tasks, [GOOD, FAILS, PLAIN], on_task=lambda done, of: told.append((done, of)))
    by_name = {one.program: one for one in results}
    assert by_name[GOOD.name].medal == "gold"
    assert by_name[PLAIN.name].medal == "none"
    assert by_name[GOOD.name].cv is not None
    assert by_name[GOOD.name].cv > 0.9
    # A submission that an earlier program left behind is not the failing one's.
    assert (by_name[FAILS.name].ran, by_name[FAILS.name].valid, by_name[FAILS.name].human_rank) == (False, False, 0.0)
    assert told == [(1, 1)]

    # What is seen of a corpus is what its manifest names.
    assert [path.name for path in (tmp_path / "tasks").iterdir() if not path.name.startswith(".")] == ["parabola"]
    stats = tmp_path / "tasks" / STATS
    lines = stats.read_bytes()
    assert await measure(toolkit, tasks, [GOOD, FAILS, PLAIN]) == results
    assert stats.read_bytes() == lines

    # A kill in the middle of a line costs that line and no other.
    stats.write_bytes(lines[: lines.rindex(b'"program"')])
    again = await measure(toolkit, tasks, [GOOD, FAILS, PLAIN])
    assert [(one.program, one.medal) for one in again] == [(one.program, one.medal) for one in results]
    assert len(stats.read_bytes().splitlines()) == 3
    assert stats.read_bytes().startswith(b"".join(lines.splitlines(keepends=True)[:2]))


async def test_a_stored_line_that_is_no_result_is_named(toolkit, parabola, tmp_path):
    stats = tmp_path / "tasks" / STATS
    stats.write_text(json.dumps({"task": 1}) + "\n" + json.dumps({}) + "\n")
    with pytest.raises(StoreError, match=r"stats\.jsonl, line 1 is no stored result"):
        await measure(toolkit, list_tasks(tmp_path / "tasks"), [GOOD])


async def test_a_folder_that_takes_no_results_is_named(toolkit, parabola, tmp_path):
    (tmp_path / "tasks" / STATS).mkdir()
    with pytest.raises(StoreError, match="results are kept beside the tasks"):
        await measure(toolkit, list_tasks(tmp_path / "tasks"), [GOOD])


def test_the_command_prints_what_stored_results_say_and_runs_nothing_again(toolkit, parabola, tmp_path):
    digest = sha256(parabola.layout.spec.read_bytes()).hexdigest()
    with (tmp_path / "tasks" / STATS).open("w") as file:
        for at, one in enumerate(grid()):
            result = Result(
                task_sha256=digest, program_sha256=program_sha256(one), task_id="parabola", program=one.name,
                ran=at % 2 == 0, valid=at % 4 == 0, medal="gold" if at == 8 else "none", human_rank=0.1, cv=0.5,
                wall_s=0.1,
            )  # fmt: skip
            file.write(json.dumps(asdict(result)) + "\n")
    done = CliRunner().invoke(build_app(toolkit), ["tasks", "stats", "tasks", "--train", "tasks", "--json"])
    assert done.exit_code == 0, done.output
    shown = json.loads(done.stdout)
    assert shown["best_fixed"]["programs"] == [grid()[8].name]
    assert (shown["per_task_best"]["mean"], shown["running"]["mean"], shown["valid"]["mean"]) == (1.0, 0.5, 0.25)
    lines = CliRunner().invoke(build_app(toolkit), ["tasks", "stats", "tasks"]).stdout
    assert "best program of each task" in lines
    assert "144 programs on 1 tasks" in lines


def test_tasks_to_choose_programs_on_are_not_named_in_vain(toolkit, parabola):
    words = ["tasks", "stats", "tasks", "--no-grid", "--train", "elsewhere"]
    done = CliRunner().invoke(build_app(toolkit), words)
    assert "--train names tasks to choose programs of the grid on, and --no-grid runs none" in str(done.exception)


def test_the_group_is_there_without_the_synthesizer_too():
    plugins = load_plugins(builtins=["sandmle.plugins.llms.plugin"])
    done = CliRunner().invoke(build_app(Toolkit(plugins=plugins)), ["tasks", "--help"])
    assert "stats" in done.output
