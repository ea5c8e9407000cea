"""`sandmle doctor --training`, from the command line to canaries that die of the thing they guard."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sandmle.cli import build_app
from sandmle.core.contracts.policy import PolicyShape
from sandmle.core.engine.toolkit import open_toolkit
from sandmle.core.hooks.registry import Kind
from sandmle.plugins.llms.local import decoder
from sandmle.plugins.llms.local.model import LocalModel
from sandmle.plugins.trainers.canaries import suspects, sync
from sandmle.plugins.trainers.openrlhf import examining, merging


@pytest.fixture(scope="module")
def trained(toy, tmp_path_factory) -> Path:
    """The directory of a real training run: two steps of GRPO with a LoRA adapter, in the toy world."""
    from sandmle.plugins.trainers.local.loop import run_grpo

    folder = tmp_path_factory.mktemp("doctor")
    for letter in toy.LETTERS:
        toy.write_toy_task(folder / "tasks", letter)
    toolkit = toy.toy_toolkit()
    toolkit.make(Kind.LLM, "local").create_policy(
        ["the letter is: abcd"] * 4, PolicyShape(**toy.SHAPE), 2, folder / "policy"
    )
    config = toy.grpo_config(folder / "policy", steps=2, learning_rate=1e-2, evaluate_every=0)
    asyncio.run(
        run_grpo(
            toolkit,
            config,
            tasks=folder / "tasks",
            out=folder / "run",
            drain=asyncio.Event(),
            tell=lambda line: None,
        )
    )
    return folder / "run"


@pytest.fixture
def doctor(tmp_path, monkeypatch):
    """Run the command; gives exit code and finding by name."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sandmle.toml").write_text("[plugin.sandbox.process]\npreload = []\n")

    def run(*words: str):
        done = CliRunner().invoke(build_app(open_toolkit()), ["doctor", "--training", "--json", *words])
        return done.exit_code, {one["name"]: one for one in json.loads(done.stdout)["training"]}

    return run


def without_adapter(run: Path, engine: Path) -> Path:
    """The weights that an engine holds to which no adapter was ever sent."""
    shutil.copytree((run / "last").resolve(), engine, ignore=shutil.ignore_patterns("adapter", "trainer.pt"))
    return engine


def test_a_training_run_in_order_passes_every_canary(doctor, trained):
    code, found = doctor("--policy", str(trained))
    assert code == 0
    for name in ("template", "weight sync", "weight sync after an update", "reward", "mask"):
        assert found[f"local: {name}"]["verdict"] == "ok", found
    for name in ("weights as sent", "weights as sent after an update"):
        assert found[f"openrlhf: {name}"]["verdict"] == "ok", found
    assert "sequences of the toy are what the policy wrote" in found["local: mask"]["detail"]
    assert f"sequences of {trained} are what" in found["local: mask"]["detail"]


def test_an_adapter_that_never_reached_the_engine_fails_by_name(doctor, trained, tmp_path):
    engine = without_adapter(trained, tmp_path / "engine")
    code, found = doctor("--policy", str(trained), "--engine", str(engine))
    assert code == 1
    assert found["local: weight sync"]["verdict"] == "failed"
    assert suspects.LEFT_OUT in found["local: weight sync"]["detail"]
    assert found["local: template"]["verdict"] == "ok"


def test_a_generator_that_forgets_the_adapter_fails_by_name(doctor, monkeypatch):
    monkeypatch.setattr(decoder, "_weight", lambda projection: projection.weight.detach())
    code, found = doctor()
    assert code == 1
    assert suspects.LEFT_OUT in found["local: weight sync"]["detail"]


def test_a_generator_that_is_not_told_of_updates_fails_by_name(doctor, monkeypatch):
    monkeypatch.setattr(LocalModel, "weights_changed", lambda self: None)
    code, found = doctor()
    assert code == 1
    assert sync.STALE in found["local: weight sync after an update"]["detail"]


def test_an_adapter_that_is_left_out_of_what_openrlhf_is_sent_fails_by_name(doctor, monkeypatch):
    # As OpenRLHF itself does it: every parameter as it lies there, the adapter's beside it.
    monkeypatch.setattr(merging, "_merged", lambda parameter, layers: parameter.detach())
    code, found = doctor()
    assert code == 1
    assert suspects.LEFT_OUT in found["openrlhf: weights as sent"]["detail"]
    assert found["local: weight sync"]["verdict"] == "ok"


def test_weights_under_names_that_no_engine_knows_fail_by_name(doctor, monkeypatch):
    monkeypatch.setattr(examining, "merged_weights", lambda module: module.named_parameters())
    code, found = doctor()
    assert code == 1
    assert "base_layer" in found["openrlhf: weights as sent"]["detail"]
    assert "under the names of the model without an adapter" in found["openrlhf: weights as sent"]["detail"]


def test_words_that_say_nothing_to_each_other_are_refused(doctor):
    for words in (["doctor", "--policy", "x"], ["doctor", "--sandbox", "--training"]):
        done = CliRunner().invoke(build_app(open_toolkit()), words)
        assert done.exit_code != 0


def test_a_policy_that_is_none_fails_and_the_toy_is_played_still(doctor, tmp_path):
    code, found = doctor("--policy", str(tmp_path))
    assert code == 1
    assert "is no checkpoint" in found["local: policy"]["detail"]
    assert found["local: reward"]["verdict"] == "ok"
