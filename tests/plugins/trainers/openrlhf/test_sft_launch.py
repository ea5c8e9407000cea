"""Imitation is watched as GRPO is: its steps are read off the progress bar, recorded, told, and a bad one ends it.

The driver here shows the bar as OpenRLHF's `SFTTrainer.fit` does, with the package that it takes.
"""

import asyncio
import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("tqdm")

from sandmle.core.engine.announcing import announcing
from sandmle.core.engine.line_log import open_log
from sandmle.core.engine.toolkit import open_toolkit
from sandmle.core.errors import ProviderError, RunError
from sandmle.plugins.trainers.openrlhf.commands import read_section
from sandmle.plugins.trainers.openrlhf.metrics import SftBar
from sandmle.plugins.trainers.openrlhf.sft import plan_sft
from sandmle.plugins.trainers.openrlhf.sft_launch import newest_checkpoint, watched
from sandmle.plugins.trainers.openrlhf.watching import Watcher

EPOCHS, CONVERSATIONS, BATCH = 2, 43, 16
DRIVER = """
import pathlib, sys, time
from tqdm import tqdm

out, skip, wide, pause, losses = pathlib.Path(sys.argv[1]), *map(int, sys.argv[2:4]), float(sys.argv[4]), sys.argv[5:]
micro, window, at = 43 // 4, 16 // 4, skip
losses = iter(map(float, losses)) if losses else (step / 7 for step in range(skip // window * window, 10**6))
waiting = []
for epoch in range(skip // micro, 2):
    bar = tqdm(range(micro), desc="Train step of epoch %d" % epoch)
    for _ in range(micro - (skip - epoch * micro if epoch == skip // micro else 0)):
        waiting.append(1)
        bar.update()
        time.sleep(pause)
        if len(waiting) < window:
            continue
        for _ in waiting:
            bar.set_postfix({"gpt_loss": next(losses), "lr": 1e-5, "grad_norm": 2.0})
        waiting.clear()
        bar.refresh()
if wide:
    (out / "policy").mkdir()
"""


class Recorder:
    def __init__(self) -> None:
        self.events = []

    def record(self, event: object) -> None:
        self.events.append(event)

    def close(self) -> None:
        pass


def planned(out: Path):
    section = "plugin.trainer.openrlhf"
    toolkit = open_toolkit(
        overrides={
            f"{section}.policy": "Qwen/Qwen3-8B",
            f"{section}.gpus": 4,
            f"{section}.sft.epochs": EPOCHS,
            f"{section}.sft.batch_sequences": BATCH,
        }
    )
    plan = plan_sft(toolkit, read_section(toolkit), demos=[], tasks=None, out=out)
    return toolkit, replace(plan, conversations=CONVERSATIONS)


async def watch(out: Path, *words: object, done: bool = True):
    toolkit, plan = planned(out)
    recorder = Recorder()
    with (
        open_log(out / "metrics.jsonl") as metrics,
        open_log(out / "evaluations.jsonl") as evaluations,
        announcing(toolkit, lambda event: None, {"mine": recorder}) as announcer,
    ):
        watcher = Watcher(watched(plan), (metrics, evaluations), announcer, asyncio.Event(), lambda line: None)
        skip, pause, *losses = words
        command = [sys.executable, "-c", DRIVER, str(out), str(skip), str(int(done)), str(pause), *map(str, losses)]
        await watcher.run(command, os.environ)
    return recorder.events, [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("pause", [0, 0.11])
async def test_every_step_is_recorded_once_and_told_to_trackers(tmp_path, pause):
    events, lines = await watch(tmp_path, 0, pause)
    # Ten micro-batches an epoch, four a step: what is left over at the end of the first epoch counts in the second.
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5]
    assert [(event.step, event.steps) for event in events] == [(step, 5) for step in range(1, 6)]
    for line in lines:
        first = 4 * (line["step"] - 1)
        assert line["gpt_loss"] == pytest.approx((first + 1.5) / 7, rel=0.01)
        assert (line["lr"], line["grad_norm"]) == (1e-5, 2.0)
    assert json.loads((tmp_path / "finished.json").read_text())["policy"] == str(tmp_path / "policy")


async def test_a_start_from_a_checkpoint_counts_on(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "latest").write_text("global_step3")
    _, lines = await watch(tmp_path, 12, 0)
    assert [line["step"] for line in lines] == [4, 5]


async def test_a_loss_that_is_no_number_ends_it_and_names_the_last_checkpoint(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "latest").write_text("global_step0")
    with pytest.raises(RunError, match="step 2: gpt_loss is nan; training has been stopped"):
        await watch(tmp_path, 0, 0, 1, 1, 1, 1, 2, "nan", 2, 2, *[3] * 99)
    assert not (tmp_path / "finished.json").exists()


async def test_a_driver_that_fails_or_leaves_nothing_has_not_finished(tmp_path):
    with pytest.raises(ProviderError, match="ended with status 1"):
        await watch(tmp_path, 0, 0, 1)
    with pytest.raises(ProviderError, match="left no"):
        await watch(tmp_path, 0, 0, done=False)
    assert not (tmp_path / "finished.json").exists()


def test_what_is_no_bar_of_training_is_no_step():
    bar = SftBar(done=0, window=1)
    for line in (
        "Eval stage of steps 4: 50%|##   | 1/2 [00:00<00:00, 2it/s, eval gpt_loss=2.5]",
        "Train step of epoch 0:  20%|##   | 1/5 [00:00<?, ?it/s]",
        "Train epoch:  50%|##   | 1/2 [00:00<00:00, 2it/s, gpt_loss=1]",
    ):
        assert bar.read(line) is None
    assert bar.read("Train step of epoch 0:  20%|##   | 1/5 [00:00<?, ?it/s, gpt_loss=1e+3, lr=None]").figures == {
        "gpt_loss": 1000.0
    }


def test_no_checkpoint_is_none(tmp_path):
    assert newest_checkpoint(planned(tmp_path)[1].paths) is None
