"""The demo's commands fit together: what one leaves, the next takes."""

from dataclasses import replace
from pathlib import Path

import pytest

from sandmle.plugins.demo.plan import BRIEFLY, RANDOM, TEACHER, WORLD, Demo, TrainingSize

SIZE = TrainingSize(demonstrations=5, epochs=2, steps=3, episodes=4)


@pytest.fixture
def demo():
    return Demo(out=Path("out"), tasks=24, group_size=2, rng_seed=7, training=SIZE)


def value(words, option):
    return words[words.index(option) + 1]


def holds(words, part):
    return any(words[at : at + len(part)] == part for at in range(len(words)))


def test_without_training_it_makes_tasks_runs_three_agents_and_reports(demo):
    plain = replace(demo, training=None)
    assert [words[0] for words in plain.commands()] == ["synth", "run", "run", "run"]
    assert plain.trainings == plain.held_out == {}
    assert not any("training" in word for word in plain.report_command())


def test_training_begins_where_the_agents_end(demo):
    words = demo.commands()
    assert words[:4] == replace(demo, training=None).commands()
    assert [one[:2] for one in words[4:8]] == [
        ("tasks", "split"),
        ("run", "--tasks"),
        ("train", "sft"),
        ("train", "grpo"),
    ]


def test_only_the_measuring_runs_see_the_held_out_tasks(demo):
    for words in demo.commands()[4:8]:
        assert not any("held-out.txt" in word for word in words)
    measured = demo.commands()[8:]
    assert {value(words, "--tasks") for words in measured} == {"out/training/split/held-out.txt"}
    models = ["local/out/training/sft", "local/out/training/grpo", RANDOM, TEACHER]
    assert [value(words, "--model") for words in measured] == models


def test_all_play_in_one_world_and_equally_often(demo):
    _, demos, _, grpo, *measured = demo.commands()[4:]
    assert all(holds(words, WORLD) for words in (demos, grpo, *measured))
    assert {value(words, "-k") for words in measured} == {"4"}
    assert [holds(words, BRIEFLY) for words in measured] == [True, True, False, False]


def test_the_report_names_every_directory_that_the_commands_fill(demo):
    filled = {value(words, "-o") for words in demo.commands() if words[:2] != ("tasks", "split")}
    named = {word.partition("=")[2] for word in demo.report_command() if word.startswith("--")} - {""}
    assert filled - named == {"out/tasks", "out/training/demonstrations"}
    assert named <= filled


def test_small_corpora_hold_out_fewer_families(demo):
    for tasks, families in ((24, "4"), (12, "2"), (6, "1")):
        assert value(replace(demo, tasks=tasks).commands()[4], "--held-out-families") == families
