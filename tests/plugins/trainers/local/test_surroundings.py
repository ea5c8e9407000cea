"""Whoever watches a training is told of every step, by the numbers of its record."""

import asyncio
import json
from pathlib import Path

import pytest

from sandmle.core.errors import ConfigError
from sandmle.plugins.trainers.local.config import LocalTrainerConfig
from sandmle.plugins.trainers.local.loop import run_grpo
from sandmle.plugins.trainers.local.sft import run_sft


def told(file: Path) -> list[dict]:
    return [json.loads(line) for line in file.read_text().splitlines()]


async def test_trackers_are_told_of_steps_and_evaluations_and_of_none_twice(toy, imitator, tasks, validation, tmp_path):
    async def train(until: int) -> list[dict]:
        toolkit = toy.toy_toolkit(trackers=["jsonl"], tracker={"jsonl": {"path": str(tmp_path / "events.jsonl")}})
        config = toy.grpo_config(imitator, validation, steps=2)
        drain = asyncio.Event()
        summary = await run_grpo(
            toolkit,
            config,
            tasks=tasks,
            out=tmp_path / "out",
            drain=drain,
            tell=lambda line: drain.set() if line.startswith(f"step {until}:") else None,
        )
        return summary.metrics

    await train(1)
    metrics = await train(99)
    events = told(tmp_path / "events.jsonl")
    assert {one["event"] for one in events} == {"TrainStepFinished"}
    assert [(one["kind"], one["step"]) for one in events] == [
        ("evaluation", 0),
        ("step", 1),
        ("step", 2),
        ("evaluation", 2),
    ]
    assert {(one["run_id"], one["steps"]) for one in events} == {("out", 2)}
    figures = events[2]["figures"]
    assert figures["loss"] == metrics[1]["loss"]
    assert figures["seconds/play"] == metrics[1]["seconds"]["play"]
    assert all(isinstance(one, float) for one in figures.values())
    assert "reward" in events[0]["figures"]


async def test_trackers_are_told_of_every_epoch_of_imitation(toy, tasks, demos, tmp_path):
    toolkit = toy.toy_toolkit(trackers=["jsonl"], tracker={"jsonl": {"path": str(tmp_path / "events.jsonl")}})
    config = LocalTrainerConfig.model_validate({"shape": toy.SHAPE, "sft": {"epochs": 2}})
    summary = await run_sft(
        toolkit, config, demos=[demos], tasks=tasks, out=tmp_path / "out", drain=asyncio.Event(), tell=lambda line: None
    )
    events = told(tmp_path / "events.jsonl")
    assert [(one["step"], one["steps"]) for one in events] == [(1, 2), (2, 2)]
    assert [one["figures"]["loss"] for one in events] == [line["loss"] for line in summary.metrics]


async def test_a_tracker_that_cannot_write_is_refused_before_anything_is_played(toy, imitator, tasks, tmp_path):
    (tmp_path / "file").write_text("")
    toolkit = toy.toy_toolkit(trackers=["jsonl"], tracker={"jsonl": {"path": str(tmp_path / "file" / "events.jsonl")}})
    with pytest.raises(ConfigError, match="the tracker cannot write"):
        await run_grpo(
            toolkit,
            toy.grpo_config(imitator),
            tasks=tasks,
            out=tmp_path / "out",
            drain=asyncio.Event(),
            tell=lambda line: None,
        )
    assert not (tmp_path / "out" / "steps").exists()
