"""Every conversational scaffold through the program: the scripted agent, the real sandbox, a valid submission."""

import json
import shutil

import pytest

# The plugin section of a run that needs one.
OPTIONS = {"openai_tools in text": ("--set", "plugin.scaffold.openai_tools.calls=text")}


@pytest.fixture(scope="module")
def one_task(task_dirs, tmp_path_factory):
    tasks = tmp_path_factory.mktemp("one")
    tabular = next(path for path in task_dirs if path.name.startswith("tabular"))
    shutil.copytree(tabular, tasks / tabular.name)
    return tasks


@pytest.mark.slow
@pytest.mark.parametrize("name", ["single_turn", "codeact", "openai_tools", "openai_tools in text", "mle_agent"])
def test_the_scripted_agent_ends_with_a_valid_submission(sandmle, sandmle_json, one_task, tmp_path, name):
    scaffold, options = name.split()[0], OPTIONS.get(name, ())
    out = tmp_path / "run"
    summary = sandmle_json(
        "run", "--tasks", one_task, "--scaffold", scaffold, "--model", "offline/agent", "-k", 1, "-o", out, *options
    )
    assert summary["outcomes"] == {"scored": 1}
    [episode] = [json.loads(line) for line in (out / "episodes.jsonl").read_text("utf-8").splitlines()]
    assert episode["scaffold"] == scaffold
    assert episode["grade"]["valid"]
    kinds = {step["action"]["kind"] for step in episode["trajectory"]["steps"]}
    assert {"run_code", "submit"} <= kinds
    assert "invalid" not in kinds


def test_a_scaffold_that_needs_what_is_withheld_is_refused_before_anything_starts(sandmle, one_task, tmp_path):
    done = sandmle(
        "run", "--tasks", one_task, "--scaffold", "codeact", "-k", 1, "-o", tmp_path / "run",
        "--set", 'run.withheld_actions=["submit"]', code=2,
    )  # fmt: skip
    assert "scaffold 'codeact' needs the action 'submit'" in done.stderr
    assert not (tmp_path / "run").exists()
