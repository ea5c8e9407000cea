import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from sandmle.cli import build_app
from sandmle.core.conformance.copying import copying_draft
from sandmle.core.engine.ledger import read_ledger
from sandmle.core.engine.tasks import write_task
from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.errors import ConfigError, RunError, UsageError
from sandmle.core.hooks.manager import load_plugins

PLUGIN = """
from sandmle.core.hooks.hookspecs import hookimpl
from sandmle.core.hooks.registry import Spec
from sandmle.core.conformance.llm import ScriptedModel
from sandmle.core.types.synthesis import Seed, TaskProblem

class Seeds:
    def seeds(self):
        facts = dict(modality="tabular", task_type="regression", metric="rmse", dna={"rows": 1}, source="-")
        return [Seed(seed_id=f"s{number}", title="Seed", **facts) for number in range(2)]

class Liar:
    def open_model(self, model):
        opened = ScriptedModel(lambda messages, options: "Trust me.", name=model)
        opened.lacks = "set the environment variable LIAR_API_KEY" if model == "liar/keyless" else None
        return opened

@hookimpl
def sandmle_register_seed_sources():
    return [Spec(name="two", summary="two seeds", make=lambda config: Seeds())]

@hookimpl
def sandmle_register_llm_providers():
    return [Spec(name="liar", summary="never answers", make=lambda config: Liar())]
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The program with a plugin whose model never gives a usable answer."""
    (tmp_path / "liar_plugin.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    families = ("sandboxes", "synthesizer", "trackers")
    plugins = load_plugins(builtins=["liar_plugin", *(f"sandmle.plugins.{family}.plugin" for family in families)])
    app = build_app(Toolkit(plugins=plugins))

    def run(*words: object) -> Result:
        return CliRunner().invoke(app, [str(word) for word in words], prog_name="sandmle")

    return run


def test_a_corpus_that_cannot_be_filled_ends_with_3_and_says_why(program, tmp_path: Path) -> None:
    words = ("synth", "-n", 1, "-o", "out", "--model", "liar/x", "--seeds", "two", "--workers", 1)
    done = program(*words, "--set", "synthesis.max_drafts_per_task=2", "--set", "synthesis.tries=2", "--json")
    assert done.exit_code == 3
    shown = json.loads(done.stdout)
    assert (shown["accepted"], shown["wanted"], shown["complete"], shown["drafts"]) == (0, 1, False, 2)
    assert shown["rejections"] == {"role:data-strategist": 2}
    assert "gave up after 2 drafts" in done.stderr
    assert "0/1 tasks" in done.stderr
    lines = read_ledger(tmp_path / "out")
    assert [line.tries for line in lines] == [{"data-strategist": 2}] * 2
    assert {line.seed_id for line in lines} == {"s0", "s1"}

    changed = program(*words, "--set", "synthesis.tries=3")
    assert isinstance(changed.exception, RunError)
    assert "synthesis.tries: was 2, is 3" in str(changed.exception)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--seeds", "tow"), "did you mean 'two'"),
        (("--set", "synthesis.sandbox=proces"), "did you mean 'process'"),
        (("--set", "synthesis.triez=2"), "did you mean 'tries'"),
        (("--set", "synthesis.workers=0"), "synthesis.workers: Input should be greater"),
        (("--set", 'synthesis.roles=["data-strategst"]'), "did you mean 'data-strategist'"),
        (("--set", 'synthesis.roles=["data-strategist"]'), "synthesis.roles must hold"),
        (("--set", 'synthesis.role_models={"ml-devloper"="liar/x"}'), "did you mean 'ml-developer'"),
        (("--role-model", "ml-devloper=liar/x"), "did you mean 'ml-developer'"),
        (("--role-model", "liar/x"), "write it as ROLE=MODEL"),
        (("--role-model", "ml-developer=liar/keyless"), "cannot be asked: set the environment variable LIAR_API_KEY"),
        (("--set", "budget.role_usd.ml-devloper=1"), "did you mean 'ml-developer'"),
    ],
)
def test_a_name_that_does_not_exist_is_an_error_before_anything_is_made(program, words, complaint, tmp_path) -> None:
    done = program("synth", "-n", 1, "-o", "out", "--model", "liar/x", "--seeds", "two", *words)
    assert isinstance(done.exception, ConfigError)
    assert complaint in str(done.exception)
    assert not (tmp_path / "out").exists()


@pytest.mark.asyncio(loop_scope="session")
async def test_tasks_are_listed_shown_and_checked(program, accepted, tmp_path: Path) -> None:
    task, _ = accepted
    written = write_task(tmp_path / "corpus", task)
    listed = json.loads(program("tasks", "list", "corpus", "--json").stdout)
    assert [one["task_id"] for one in listed["tasks"]] == [task.spec.task_id]
    assert task.spec.title in program("tasks", "list", "corpus").stdout

    shown = json.loads(program("tasks", "show", written.layout.root, "--json").stdout)["tasks"][0]
    assert shown["description"] == task.description
    assert shown["thresholds"] == task.spec.thresholds.model_dump()
    assert "[thresholds]" in program("tasks", "show", "corpus").stdout

    good = program("tasks", "check", "corpus", "--json")
    assert (good.exit_code, json.loads(good.stdout)) == (0, {"tasks": 1, "problems": []})
    written.layout.description.write_text("Nothing.")
    bad = program("tasks", "check", "corpus", "--json")
    assert bad.exit_code == 1
    assert {one["check"] for one in json.loads(bad.stdout)["problems"]} == {"content-hash", "description-names"}
    assert "has changed since it was written" in program("tasks", "check", "corpus").stdout


@pytest.mark.asyncio(loop_scope="session")
async def test_splitting_writes_manifests_that_the_other_commands_take(program, accepted, tmp_path: Path) -> None:
    task, _ = accepted
    for at in range(24):
        provenance = task.spec.provenance.model_copy(update={"seed_id": f"seed-{at % 3}"})
        change = {"task_id": f"task-{at}", "rule_family": f"family-{at % 4}", "provenance": provenance}
        write_task(tmp_path / "made", replace(task, spec=task.spec.model_copy(update=change)))
    words = ("tasks", "split", "made", "-o", "parts", "--held-out-families", 1, "--held-out-seeds", 0, "--json")
    done = program(*words)
    assert done.exit_code == 0, done.output
    table = json.loads(done.stdout)
    assert table == json.loads((tmp_path / "parts" / "split.json").read_text())
    listed = json.loads(program("tasks", "list", "parts/held-out.txt", "--json").stdout)["tasks"]
    assert {row["rule_family"] for row in listed} == set(table["held_out_families"])
    assert len(listed) == table["parts"]["held-out"]["tasks"] == 6
    assert program(*words).stdout == done.stdout

    refused = program("tasks", "split", "made", "-o", "other", "--held-out-families", 4)
    assert isinstance(refused.exception, UsageError)
    assert "some have to be left" in str(refused.exception)
    assert not (tmp_path / "other").exists()


def test_making_a_split_needs_families_to_draw_from(program) -> None:
    done = program("synth-splits", "-o", "out", "--set", 'synthesis.seeds=["two"]')
    assert isinstance(done.exception, UsageError)
    assert "synthesis.families names no rule families" in str(done.exception)


@pytest.mark.parametrize("words", [("verify", "made/copy"), ("check", "made")])
def test_names_that_a_terminal_would_obey_or_no_encoding_takes_are_shown(program, tmp_path: Path, words) -> None:
    write_task(tmp_path / "made", copying_draft())
    with open(os.fsencode(tmp_path / "made" / "copy" / "public") + b"/\xff\n1 tasks, 0 problems\x1b[2J", "wb"):
        pass
    done = program("tasks", *words)
    assert done.exit_code == 1
    lines = done.stdout.splitlines()
    assert any("\\udcff" in line for line in lines)
    assert all(line.isprintable() for line in lines)
    assert [line for line in lines if line.startswith("1 tasks")] == lines[-1:]
    shown = json.loads(program("tasks", *words, "--json").stdout)["problems"]
    assert any("\\udcff" in one["message"] for one in shown)
