"""A run is watched to its end: recorded, announced, stopped at a checkpoint, resumed, refused when it changed.

The driver here is a small program that speaks as OpenRLHF does and writes checkpoints where it writes them.
"""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from sandmle.core.engine.announcing import announcing
from sandmle.core.engine.line_log import open_log
from sandmle.core.engine.toolkit import open_toolkit
from sandmle.core.errors import ConfigError, PluginError, ProviderError, RunError
from sandmle.core.hooks.events import TrainStepFinished
from sandmle.plugins.trainers.holding import read_lines
from sandmle.plugins.trainers.openrlhf.commands import read_section
from sandmle.plugins.trainers.openrlhf.launch import newest_checkpoint, run_openrlhf, watched
from sandmle.plugins.trainers.openrlhf.planning import plan_grpo
from sandmle.plugins.trainers.openrlhf.watching import Watcher

DRIVER = """
import json, os, pathlib, sys, time
out, begin, steps, every, pause = pathlib.Path(sys.argv[1]), *map(int, sys.argv[2:5]), float(sys.argv[5])
checkpoints = out / "checkpoints"
for step in range(begin, steps + 1):
    figures = {"policy_loss": 0.5 / step, "kl": float("nan"), "rollout/reward_mean": 0.1 * step, "timing/step": 1.5}
    print(f"(PPOTrainer pid=77) INFO 11-26 01:02:03 ppo_trainer.py:480] Global step {step}: {figures}", flush=True)
    if step % every == 0:
        weights = checkpoints / f"global_step{step}_hf"
        weights.mkdir(parents=True)
        (checkpoints / "_actor").mkdir(exist_ok=True)
        (checkpoints / "_actor" / "latest").write_text(f"global_step{step}")
        time.sleep(0.05)
        (weights / "tokenizer_config.json").write_text("{}")
        print(f"Evaluation completed in 0:00:09, global_step {step}, eval_metrics: {{'eval_validation_pass1': 0.25}}")
    time.sleep(pause)
(out / "policy").mkdir()
"""


class Recorder:
    def __init__(self) -> None:
        self.events: list[TrainStepFinished] = []

    def record(self, event: object) -> None:
        self.events.append(event)

    def close(self) -> None:
        self.events.append(None)


def planned(out: Path, **more):
    given = {
        "plugin.trainer.openrlhf.policy": "Qwen/Qwen3-8B",
        "plugin.trainer.openrlhf.grpo.steps": 6,
        "plugin.trainer.openrlhf.grpo.save_every": 2,
        **more,
    }
    toolkit = open_toolkit(overrides=given)
    return toolkit, plan_grpo(toolkit, read_section(toolkit), tasks=None, out=out)


async def watch(out: Path, program: list[str], drain: asyncio.Event | None = None, told: list[str] | None = None):
    toolkit, launch = planned(out)
    out.mkdir(exist_ok=True)
    recorder = Recorder()
    with (
        open_log(out / "metrics.jsonl") as metrics,
        open_log(out / "evaluations.jsonl") as evaluations,
        announcing(toolkit, lambda event: None, {"mine": recorder}) as announcer,
    ):
        tell = (told if told is not None else []).append
        watcher = Watcher(watched(launch), (metrics, evaluations), announcer, drain or asyncio.Event(), tell)
        await watcher.run([sys.executable, *program], {**os.environ})
    return recorder, launch


def speaking(out: Path, *, begin: int = 1, steps: int = 6, every: int = 2, pause: float = 0.0) -> list[str]:
    return ["-c", DRIVER, str(out), str(begin), str(steps), str(every), str(pause)]


async def test_every_step_is_recorded_and_told_to_trackers(tmp_path):
    out = tmp_path / "out"
    told: list[str] = []
    recorder, launch = await watch(out, speaking(out), told=told)
    steps = [one for one in recorder.events if one is not None and one.kind == "step"]
    assert [one.step for one in steps] == [1, 2, 3, 4, 5, 6]
    assert steps[1].figures["policy_loss"] == 0.25
    assert steps[0].steps == 6
    assert recorder.events[-1] is None
    recorded = list(read_lines(out / "metrics.jsonl"))
    assert [one["step"] for one in recorded] == [1, 2, 3, 4, 5, 6]
    assert recorded[0]["kl"] == "nan"
    assert [one["eval_validation_pass1"] for one in read_lines(out / "evaluations.jsonl")] == [0.25] * 3
    assert json.loads((out / "finished.json").read_text())["policy"] == str(launch.paths.policy)
    assert any(line.startswith("step 3/6: policy_loss 0.1667, rollout/reward_mean 0.3") for line in told)
    assert "Global step 1" in launch.paths.log.read_text()


async def test_a_drain_stops_at_the_next_checkpoint_and_the_next_start_goes_on(tmp_path):
    out = tmp_path / "out"
    drain, told = asyncio.Event(), []
    running = asyncio.create_task(watch(out, speaking(out, steps=200, every=100_000, pause=600), drain, told))
    while not (out / "metrics.jsonl").exists() or not (out / "metrics.jsonl").read_text():
        await asyncio.sleep(0.02)
    drain.set()
    while not any("once more stops at once" in line for line in told):
        await asyncio.sleep(0.02)
    # Nothing is lost: it is not stopped before a checkpoint is whole.
    checkpoints = out / "checkpoints"
    (checkpoints / "_actor").mkdir(parents=True)
    (checkpoints / "_actor" / "latest").write_text("global_step2")
    await asyncio.sleep(0.1)
    assert not running.done()
    (checkpoints / "global_step2_hf").mkdir()
    (checkpoints / "global_step2_hf" / "tokenizer_config.json").write_text("{}")
    await running
    assert not (out / "finished.json").exists()
    assert "stopped; the same command goes on" in told[-1]

    await watch(out, speaking(out, begin=3))
    recorded = list(read_lines(out / "metrics.jsonl"))
    assert [(one["start"], one["step"]) for one in recorded] == [(0, 1), (1, 3), (1, 4), (1, 5), (1, 6)]


async def test_a_cancelled_run_leaves_no_process(tmp_path):
    out = tmp_path / "out"
    running = asyncio.create_task(watch(out, speaking(out, pause=600)))
    while not (out / "metrics.jsonl").exists() or not (out / "metrics.jsonl").read_text():
        await asyncio.sleep(0.02)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    mine = [
        path.parent.name
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if path.exists() and str(out).encode() in _read(path)
    ]
    assert mine == []


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


@pytest.mark.parametrize("name", ["policy_loss", "actor_grad_norm"])
async def test_a_loss_that_is_no_number_stops_the_run_and_names_the_last_checkpoint(tmp_path, name):
    out = tmp_path / "out"
    await watch(out, speaking(out, steps=4))
    program = f"print(\"Global step 5: {{'{name}': nan}}\", flush=True); import time; time.sleep(600)"
    with pytest.raises(RunError, match=rf"step 5: {name} is nan.* The last checkpoint is of step 4\."):
        await watch(out, ["-c", program])


async def test_a_driver_that_fails_gives_the_end_of_its_log(tmp_path):
    out = tmp_path / "out"
    program = ["-c", "print('loading'); raise SystemExit('CUDA out of memory')"]
    with pytest.raises(ProviderError, match=r"(?s)status 1; .*from the beginning.*loading\nCUDA out of memory"):
        await watch(out, program)
    await watch(out, speaking(out, steps=2))
    with pytest.raises(ProviderError, match="goes on from step 2"):
        await watch(out, program)


async def test_a_driver_that_leaves_no_policy_has_not_finished(tmp_path):
    with pytest.raises(ProviderError, match="left no"):
        await watch(tmp_path / "out", ["-c", "print('done')"])
    assert not (tmp_path / "out" / "finished.json").exists()


def test_half_a_checkpoint_does_not_count(tmp_path):
    _, launch = planned(tmp_path / "out")
    assert newest_checkpoint(launch.paths) is None
    (launch.paths.checkpoints / "_actor").mkdir(parents=True)
    (launch.paths.checkpoints / "_actor" / "latest").write_text("global_step4\n")
    assert newest_checkpoint(launch.paths) is None
    weights = launch.paths.checkpoints / "global_step4_hf"
    weights.mkdir()
    assert newest_checkpoint(launch.paths) is None
    (weights / "tokenizer_config.json").write_text("{}")
    assert newest_checkpoint(launch.paths) == 4
    (launch.paths.checkpoints / "_actor" / "latest").write_text("best_global_step4")
    assert newest_checkpoint(launch.paths) is None


async def test_what_is_missing_is_said_with_what_to_do(tmp_path, tasks):
    toolkit, _ = planned(tmp_path / "out")
    run = run_openrlhf(
        toolkit, read_section(toolkit), tasks=tasks, out=tmp_path / "out", drain=asyncio.Event(), tell=print
    )
    with pytest.raises(PluginError, match=r"needs .*openrlhf.*, not installed here; on a machine with CUDA: `pip"):
        await run
    assert not (tmp_path / "out").exists()


async def test_a_policy_of_which_only_the_shape_is_there_starts_nothing(tmp_path, tasks):
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy" / "config.json").write_text("{}")
    toolkit, _ = planned(tmp_path / "out", **{"plugin.trainer.openrlhf.policy": str(tmp_path / "policy")})
    run = run_openrlhf(
        toolkit, read_section(toolkit), tasks=tasks, out=tmp_path / "out", drain=asyncio.Event(), tell=print
    )
    with pytest.raises(ConfigError, match=r"policy holds no weights \(\*\.safetensors or \*\.bin\)"):
        await run
    assert not (tmp_path / "out").exists()


async def test_a_drained_run_starts_nothing(tmp_path, tasks):
    toolkit, _ = planned(tmp_path / "out")
    drain = asyncio.Event()
    drain.set()
    summary = await run_openrlhf(
        toolkit, read_section(toolkit), tasks=tasks, out=tmp_path / "out", drain=drain, tell=print
    )
    assert (summary.complete, summary.steps) == (False, 0)


def test_without_a_policy_nothing_is_planned(tmp_path):
    toolkit = open_toolkit()
    with pytest.raises(ConfigError, match="--policy NAME or FOLDER"):
        plan_grpo(toolkit, read_section(toolkit), tasks=None, out=tmp_path)
