"""The program trains a policy that writes real Python in the real sandbox: imitate, learn by doing, run."""

import json
from importlib.util import find_spec

import pytest

pytestmark = pytest.mark.skipif(not (find_spec("torch") and find_spec("peft")), reason="needs the training extra")

SMALL = (
    *("--set", "plugin.trainer.local.shape.layers=1"),
    *("--set", "plugin.trainer.local.shape.hidden=32"),
    *("--set", "plugin.trainer.local.shape.vocabulary=900"),
    *("--set", "plugin.trainer.local.shape.feed_forward=64"),
)
FEW = (
    *("--set", "plugin.trainer.local.grpo.tasks_per_step=1"),
    *("--set", "plugin.trainer.local.grpo.refills=0"),
    *("--set", "run.max_turns=2"),
    *("--set", "run.max_tokens=40"),
)


def test_imitation_then_grpo_then_a_run_by_the_commands(sandmle, sandmle_json, corpus, tmp_path):
    demos, first, second = tmp_path / "demos", tmp_path / "sft", tmp_path / "grpo"
    sandmle("run", "--tasks", corpus, "--model", "offline/agent-weak", "-k", 1, "-o", demos)
    imitation = ("train", "sft", "--demos", demos, "--tasks", corpus, "-o", first, "--epochs", 2, *SMALL)
    learned = sandmle_json(*imitation)
    assert learned["complete"]
    assert learned["metrics"][1]["loss"] < learned["metrics"][0]["loss"]

    doing = ("train", "grpo", "--policy", first, "--tasks", corpus, "-o", second, "--steps", 1, "-k", 2, *FEW)
    trained = sandmle_json(*doing)
    assert (trained["complete"], trained["metrics"][0]["episodes"]) == (True, 2)
    assert trained["metrics"][0]["infrastructure_rate"] == 0
    lessons = [{"method": "sft", "scaffolds": ["react"]}, {"method": "grpo", "scaffolds": ["react"]}]
    assert json.loads((second / "lessons.json").read_text()) == lessons
    # The same command finds everything done, and another configuration is refused with the difference.
    assert sandmle_json(*doing) == trained
    assert "grpo.steps: was 1, is 2" in sandmle(*doing, "--steps", 2, code=2).stderr

    run = ("run", "--tasks", next(corpus.glob("*/task.toml")).parent, "--model", f"local/{second}", "-k", 1)
    played = sandmle_json(*run, "-o", tmp_path / "run", "--set", "run.max_tokens=40", "--set", "run.max_turns=2")
    assert played["episodes"] == 1
    episode = json.loads((tmp_path / "run" / "episodes.jsonl").read_text())
    reply = episode["trajectory"]["segments"][0]["entries"][2]["reply"]
    assert len(reply["sampled_ids"]) == len(reply["log_probs"]) > 0


def test_a_folder_that_holds_no_policy_is_refused(sandmle, corpus, tmp_path):
    done = sandmle("train", "grpo", "--policy", tmp_path, "--tasks", corpus, "-o", tmp_path / "out", code=2)
    assert "holds no policy" in done.stderr


def test_an_option_that_was_not_given_leaves_set_in_force(sandmle, tmp_path):
    words = (
        "train",
        "grpo",
        "--tasks",
        tmp_path,
        "-o",
        tmp_path / "out",
        "--set",
        "plugin.trainer.local.grpo.steps=soon",
    )
    assert "plugin.trainer.local.grpo.steps" in sandmle(*words, code=2).stderr
