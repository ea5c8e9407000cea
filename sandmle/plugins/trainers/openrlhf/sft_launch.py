"""SFT on OpenRLHF from its plan to its end: write, start, watch, stop, resume."""

import asyncio
import os
import sys
from typing import Any

from sandmle.core.engine.announcing import announcing
from sandmle.core.engine.lessons import write_lessons
from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.hooks.registry import Kind
from sandmle.plugins.trainers.holding import held
from sandmle.plugins.trainers.openrlhf.command import Paths
from sandmle.plugins.trainers.openrlhf.files import write_files
from sandmle.plugins.trainers.openrlhf.metrics import SftBar
from sandmle.plugins.trainers.openrlhf.placement import place
from sandmle.plugins.trainers.openrlhf.preflight import check_gpus, check_packages, check_weights
from sandmle.plugins.trainers.openrlhf.sft import SAVE_EVERY, SftPlan
from sandmle.plugins.trainers.openrlhf.watching import FINISHED, Tell, Watched, Watcher, last_per_step


async def run_openrlhf_sft(toolkit: Toolkit, plan: SftPlan, *, drain: asyncio.Event, tell: Tell) -> dict[str, Any]:
    """Imitate; the same plan goes on from the last checkpoint. Gives the summary.

    Raises:
        UsageError: GPUs or directory cannot be used, or the loss is no finite number.
        PluginError: a package is missing.
        InfrastructureError: OpenRLHF failed, or something could not be written.
    """
    check_weights(plan.config)
    check_packages(plan.config, place(plan.config, None))
    check_gpus(plan.config)
    out = plan.paths.out
    with held(out, plan.record) as logs:
        if not (out / FINISHED).is_file():
            write_lessons(out, plan.lessons)
            write_files(plan.files)
            trackers = {name: toolkit.make(Kind.TRACKER, name) for name in toolkit.settings.run.trackers}
            with announcing(toolkit, lambda event: None, trackers) as announcer:
                await Watcher(watched(plan), logs, announcer, drain, tell).run(
                    [sys.executable, *plan.command], os.environ
                )
        losses = last_per_step(logs[0].path)
    complete = (out / FINISHED).is_file()
    return {
        "out": str(out),
        "complete": complete,
        "policy": str(plan.paths.policy) if complete else None,
        "demonstrations": plan.conversations,
        "left_out": dict(plan.left_out),
        "metrics": losses,
    }


def watched(plan: SftPlan) -> Watched:
    """A run as its watcher has to know it."""
    bar = SftBar(done=newest_checkpoint(plan.paths) or 0, window=plan.window)
    return Watched(
        paths=plan.paths,
        steps=plan.steps,
        save_every=SAVE_EVERY,
        newest=lambda: newest_checkpoint(plan.paths),
        read=bar.read,
    )


def newest_checkpoint(paths: Paths) -> int | None:
    """Step of the newest checkpoint of DeepSpeed's."""
    try:
        number = (paths.checkpoints / "latest").read_text("utf-8").strip().removeprefix("global_step")
    except OSError:
        return None
    return int(number) if number.isdigit() else None
