"""`sandmle demo`, small: agents, then a policy that is trained and measured, then the page."""

import json
import shutil
from importlib.util import find_spec

import pytest

SMALL = ("-n", 6, "-k", 1, "--rng-seed", 7, "--demonstrations", 2, "--epochs", 1, "--steps", 1, "--episodes", 1)
TINY = {f"SANDMLE_PLUGIN__TRAINER__LOCAL__SHAPE__{name}": value for name, value in (
    ("LAYERS", "1"), ("HIDDEN", "32"), ("FEED_FORWARD", "64"), ("VOCABULARY", "600"),
)}  # fmt: skip


def without_torch(folder):
    """A `torch` that cannot be imported, in front of the installed one."""
    (folder / "torch").mkdir(parents=True)
    (folder / "torch" / "__init__.py").write_text("raise ImportError('No module named torch')\n")
    return str(folder)


@pytest.mark.skipif(not (find_spec("torch") and find_spec("peft")), reason="needs the training extra")
def test_without_the_extra_training_is_left_out_and_with_it_the_same_command_goes_on(sandmle, corpus, tmp_path):
    out = tmp_path / "demo"
    shutil.copytree(corpus, out / "tasks")
    words = ("demo", *SMALL, "-o", out, "--json")

    bare = sandmle(*words, **TINY, PYTHONPATH=without_torch(tmp_path / "bare"))
    document = json.loads(bare.stdout)
    assert document["training"] is None
    assert "sandmle[train]" in document["training_left_out"]
    assert "make train-env" in bare.stderr
    assert '<section id="training"' not in (out / "report.html").read_text("utf-8")

    done = json.loads(sandmle(*words, **TINY).stdout)
    assert done["training_left_out"] is None
    assert list(done["training"]["trainings"]) == ["sft", "grpo"]
    figures = done["training"]["figures"]
    assert [one["complete"] for one in figures["trainings"]] == [True, True]
    players = [one["who"] for one in figures["held_out"]]
    assert players == ["SFT policy", "GRPO policy", "offline/random-running-program", "offline/demonstrator"]
    assert len({(one["families"], one["tasks"]) for one in figures["held_out"]}) == 1
    assert not any("incomplete" in note or "trained on" in note for note in figures["notes"])
    page = (out / "report.html").read_text("utf-8")
    assert "After: " in page.split('<section id="training"')[1]

    # Everything is there, so the same command only writes the page again.
    assert json.loads(sandmle(*words, **TINY).stdout) == done


def test_a_demo_can_leave_training_out(sandmle, corpus, tmp_path):
    out = tmp_path / "demo"
    shutil.copytree(corpus, out / "tasks")
    done = sandmle("demo", "-n", 6, "-k", 1, "--no-train", "-o", out)
    assert "Training was left out: --no-train was given." in done.stdout
    assert not (out / "training").exists()
    assert (out / "report.html").is_file()


def test_too_few_tasks_to_part_leave_training_out_in_words(sandmle, tmp_path):
    done = json.loads(sandmle("demo", "-n", 1, "-k", 1, "-o", tmp_path / "demo", "--json").stdout)
    assert done["training"] is None
    assert "fewer than 6 tasks" in done["training_left_out"]
