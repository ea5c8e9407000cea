"""`sandmle train` for people: dry runs of every recipe, refusals with what to do, help that is fast."""

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from sandmle.cli import build_app
from sandmle.core.engine.toolkit import Toolkit, open_toolkit
from sandmle.core.errors import ConfigError, PluginError, RunError
from sandmle.core.hooks.registry import Kind, Registered, Registry, Spec
from sandmle.plugins.trainers.recipes import read_recipe, recipe_names

RECIPES = [name for name in recipe_names() if "openrlhf" in read_recipe(name).trainers]
SIZES = [("--gpus", "1"), ("--gpus", "8"), ("--gpus", "8", "--nodes", "2")]


@pytest.fixture(scope="module")
def train():
    app = build_app(open_toolkit())

    def run(*words: str) -> str:
        done = CliRunner().invoke(app, ["train", *words])
        if done.exception is not None:
            raise done.exception
        return done.stdout

    return run


@pytest.mark.parametrize("size", SIZES, ids=" ".join)
@pytest.mark.parametrize("recipe", RECIPES)
def test_a_dry_run_prints_command_files_and_estimate_of_every_recipe(train, recipe, size):
    words = ("grpo", "--trainer", "openrlhf", "--recipe", recipe, *size, "--dry-run")
    shown = json.loads(train(*words, "--json"))
    command = shown["command"]
    gpus = int(size[1]) * (2 if "--nodes" in size else 1)
    assert command[1:3] == ["-m", "sandmle.plugins.trainers.openrlhf.entry"]
    nodes, each = (int(command[command.index(f"--actor.{name}") + 1]) for name in ("num_nodes", "num_gpus_per_node"))
    assert nodes * each == gpus
    assert {path["path"].rpartition("/")[2] for path in shown["files"]} == {
        "agent.py",
        "config.toml",
        "runtime_env.json",
    }
    assert shown["prompts"]["rows"] == 80 * 16
    assert shown["estimate"]["gpu_hours"] > 0
    assert shown["estimate"]["sandbox_hours"] > 0
    assert shown["estimate"]["inputs"]["devices"] == gpus
    text = train(*words)
    assert read_recipe(recipe).text.splitlines()[0] in text
    assert "python -m sandmle.plugins.trainers.openrlhf.entry \\\n  --actor.model_name_or_path" in text
    assert "GPU-hours in" in text


@pytest.mark.parametrize("recipe", recipe_names())
def test_a_dry_run_of_the_local_trainer_prints_configuration_and_estimate(train, recipe):
    shown = json.loads(train("grpo", "--recipe", recipe, "--dry-run", "--json"))
    assert shown["trainer"] == "local"
    unit = "cpu_hours" if recipe == "tiny" else "gpu_hours"
    assert shown["estimate"][unit] > 0
    assert shown["config"]["local"]["grpo"]["steps"] == (10 if recipe == "tiny" else 80)
    assert "[plugin.trainer.local.grpo]" in train("grpo", "--recipe", recipe, "--dry-run")


def test_assumptions_and_options_reach_the_estimate(train):
    words = ("grpo", "--trainer", "openrlhf", "--recipe", "qwen3-8b", "--dry-run", "--json")
    plain = json.loads(train(*words))["estimate"]
    given = json.loads(train(*words, "--assume", "mfu=0.15", "--assume", "cell_s=60", "--steps", "40"))["estimate"]
    assert given["inputs"]["mfu"] == 0.15
    assert given["inputs"]["steps"] == 40
    assert given["training_s"] > plain["training_s"]
    assert given["sandbox_busy_hours"] > plain["sandbox_busy_hours"]


def test_an_estimate_of_an_unknown_model_says_what_to_give(train, tmp_path):
    words = ("grpo", "--trainer", "openrlhf", "--policy", "nobody/nothing", "--dry-run")
    text = train(*words)
    assert "--assume parameters=8e9" in text
    assert "warning: the size of 'nobody/nothing' is not known here" in text
    assert json.loads(train(*words, "--assume", "parameters=8e9", "--json"))["estimate"]["gpu_hours"] > 0


@pytest.mark.parametrize("method", ["grpo", "sft"])
def test_a_dry_run_that_names_no_policy_says_for_which_it_is_shown(train, method):
    words = (method, "--trainer", "openrlhf", "--dry-run")
    shown = json.loads(train(*words, "--json"))
    assert "Qwen/Qwen3-8B" in shown["command"]
    assert "no policy was named" in shown["warnings"][-1]
    assert "warning: no policy was named" in train(*words)


def test_the_sft_dry_run_prints_its_command(train):
    words = ("sft", "--trainer", "openrlhf", "--recipe", "qwen3-8b", "--gpus", "4", "--dry-run")
    command = json.loads(train(*words, "--json"))["command"]
    assert command[1:7] == ["-m", "deepspeed.launcher.runner", "--num_gpus", "4", "--module", "openrlhf.cli.train_sft"]
    assert "--data.multiturn" in train(*words)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("grpo",), "--tasks is missing; only --dry-run does without"),
        (("grpo", "--trainer", "openrlhf", "--recipe", "qwen3-8b"), "--tasks is missing"),
        (("grpo", "--trainer", "openrlfh"), "did you mean 'openrlhf'"),
        (("grpo", "--gpus", "8"), "are for --trainer openrlhf"),
        (("grpo", "--recipe", "tiny", "--trainer", "openrlhf", "--dry-run"), "for the trainer local, not for openrlhf"),
        (("grpo", "--recipe", "qwen3-8b-full", "--lora", "--dry-run"), "take 'qwen3-8b-lora'"),
        (("grpo", "--recipe", "qwen3-8b", "--dry-run", "--assume", "x=1"), "--assume"),
        (("grpo", "--dry-run", "--reward", "papre"), "did you mean 'paper'"),
        (("grpo", "--dry-run", "--set", "run.scaffold=raect"), "did you mean 'react'"),
        (("grpo", "--trainer", "openrlhf", "--tasks", ".", "-o", "x"), "--policy NAME or FOLDER"),
        (("grpo", "--recipe", "qwen3-8b", "--tasks", "x", "-o", "y"), "download it, and name it by --policy FOLDER"),
        (
            ("grpo", "--trainer", "openrlhf", "--recipe", "qwen3-8b", "--set", "run.scaffold=aide", "--dry-run"),
            "aide",
        ),
    ],
)
def test_a_refusal_says_what_to_do(train, words, says, monkeypatch):
    monkeypatch.setattr("sandmle.plugins.trainers.openrlhf.segments.SEGMENTS_PROVEN", False)
    with pytest.raises(ConfigError, match=says):
        train(*words)


def test_recipes_are_listed_and_shown_in_full(train):
    listed = train("recipes")
    assert all(name in listed for name in recipe_names())
    one = train("recipes", "qwen3-30b-a3b-lora")
    assert "plugin.trainer.openrlhf.engine.zero_stage = 3" in one
    assert "Where this differs from the paper" in one
    assert len(json.loads(train("recipes", "--json"))["recipes"]) == 7


@pytest.fixture
def train_by_plugin():
    def run(trainer, *words):
        toolkit = open_toolkit()
        spec = Spec(name="mine", summary="", make=lambda config: trainer)
        mine = Registered(kind=Kind.TRAINER, spec=spec, source="my-package")
        entries = {(one.kind, one.spec.name): one for one in toolkit.registry} | {(Kind.TRAINER, "mine"): mine}
        app = build_app(Toolkit(plugins=replace(toolkit.plugins, registry=Registry(entries))))
        return CliRunner().invoke(app, ["train", "grpo", "--trainer", "mine", *words])

    return run


def test_a_trainer_of_a_plugin_is_asked_to_train(train_by_plugin, tmp_path):
    class Mine:
        async def train(self, toolkit, tasks, out, drain):
            (out / "seen").write_text(f"{tasks} {toolkit.settings.run.max_turns} {drain.is_set()}")

    words = ["--tasks", "some", "-o", str(tmp_path), "--set", "run.max_turns=4"]
    done = train_by_plugin(Mine(), *words, "--json")
    assert json.loads(done.stdout) == {"out": str(tmp_path), "complete": True}
    assert (tmp_path / "seen").read_text() == "some 4 False"
    with pytest.raises(ConfigError, match="'mine' cannot say what it does"):
        raise train_by_plugin(Mine(), *words, "--dry-run").exception


@pytest.mark.parametrize(
    ("problem", "kind", "says"),
    [
        (
            KeyError("tokens"),
            PluginError,
            r"^trainer 'mine' of plugin 'my-package' failed in its train\(\): KeyError: 'tokens'$",
        ),
        (RunError("its checkpoint is gone"), RunError, "^its checkpoint is gone$"),
    ],
)
def test_what_a_plugins_trainer_raises_is_told_as_its_own_unless_it_was_attributed(
    train_by_plugin, tmp_path, problem, kind, says
):
    class Raising:
        async def train(self, toolkit, tasks, out, drain):
            raise problem

    with pytest.raises(kind, match=says):
        raise train_by_plugin(Raising(), "--tasks", "some", "-o", str(tmp_path)).exception
