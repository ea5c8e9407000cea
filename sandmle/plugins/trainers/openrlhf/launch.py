"""GRPO on OpenRLHF from beginning to end: check, write, start, watch, stop, resume.

The output directory, which every node has to see:

    config.toml          what was asked for; a resumed run must ask for the same
    lessons.json         which trainings the policy has been through, and under which scaffolds
    openrlhf/            what OpenRLHF is given: prompts, agent file, resolved configuration, runtime environment
    openrlhf.log         what it prints
    metrics.jsonl        one line per step, evaluations.jsonl one per evaluation
    checkpoints/         DeepSpeed's, to resume from; `global_stepN_hf` beside them under Hugging Face names
    policy/              the result: weights, or the adapter alone
"""

import asyncio
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandmle.core.engine.announcing import announcing
from sandmle.core.engine.lessons import Lesson, read_lessons, write_lessons
from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.hooks.registry import Kind
from sandmle.plugins.trainers.holding import held
from sandmle.plugins.trainers.openrlhf.command import ENTRY, Paths
from sandmle.plugins.trainers.openrlhf.config import OpenRlhfConfig
from sandmle.plugins.trainers.openrlhf.files import write_files
from sandmle.plugins.trainers.openrlhf.metrics import parse_line
from sandmle.plugins.trainers.openrlhf.planning import Launch, plan_grpo
from sandmle.plugins.trainers.openrlhf.preflight import check_gpus, check_packages, check_sandbox_hosts, check_weights
from sandmle.plugins.trainers.openrlhf.watching import FINISHED, Tell, Watched, Watcher, last_per_step


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRlhfSummary:
    """What came of it."""

    out: str
    complete: bool
    steps: int
    policy: str | None
    """Where the result lies, once there is one."""
    metrics: list[dict[str, Any]]
    evaluations: list[dict[str, Any]]


async def run_openrlhf(
    toolkit: Toolkit, config: OpenRlhfConfig, *, tasks: Path, out: Path, drain: asyncio.Event, tell: Tell
) -> OpenRlhfSummary:
    """Train on the tasks below `tasks`; the same call goes on from the last checkpoint.

    Raises:
        UsageError: policy, tasks, configuration, GPUs or directory cannot be used, or a loss is no finite number.
        PluginError: a package is missing.
        InfrastructureError: OpenRLHF failed, or something could not be written.
    """
    launch = plan_grpo(toolkit, config, tasks=tasks, out=out)
    if drain.is_set():
        return OpenRlhfSummary(out=str(out), complete=False, steps=0, policy=None, metrics=[], evaluations=[])
    check_weights(launch.config)
    check_packages(launch.config, launch.place)
    check_gpus(launch.config)
    check_sandbox_hosts(launch.config)
    with held(out, launch.record) as (metrics, evaluations):
        if not (out / FINISHED).is_file():
            lesson = Lesson(method="grpo", scaffolds=(toolkit.settings.run.scaffold,))
            write_lessons(out, (*read_lessons(Path(str(config.policy)).expanduser()), lesson))
            write_files(launch.files)
            trackers = {name: toolkit.make(Kind.TRACKER, name) for name in toolkit.settings.run.trackers}
            with announcing(toolkit, lambda event: None, trackers) as announcer:
                await Watcher(watched(launch), (metrics, evaluations), announcer, drain, tell).run(
                    [sys.executable, "-m", ENTRY, *launch.flags], {**os.environ, **launch.environment}
                )
        steps = last_per_step(metrics.path)
        complete = (out / FINISHED).is_file()
        return OpenRlhfSummary(
            out=str(out),
            complete=complete,
            steps=steps[-1]["step"] if steps else 0,
            policy=str(launch.paths.policy) if complete else None,
            metrics=steps,
            evaluations=last_per_step(evaluations.path),
        )


def watched(launch: Launch) -> Watched:
    """A run as its watcher has to know it."""
    grpo, paths = launch.config.grpo, launch.paths
    return Watched(
        paths=paths,
        steps=grpo.steps,
        save_every=grpo.save_every,
        newest=lambda: newest_checkpoint(paths),
        read=parse_line,
    )


def newest_checkpoint(paths: Paths) -> int | None:
    """Step of the newest whole checkpoint: DeepSpeed's, and its weights under Hugging Face names."""
    try:
        tag = (paths.checkpoints / "_actor" / "latest").read_text("utf-8").strip()
    except OSError:
        return None
    number = tag.removeprefix("global_step")
    # The tokenizer is the last thing that OpenRLHF writes of a checkpoint.
    whole = (paths.checkpoints / f"{tag}_hf" / "tokenizer_config.json").is_file()
    return int(number) if number.isdigit() and whole else None
