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
import json
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sandmle.core.engine.announcing import Announcer, announcing
from sandmle.core.engine.lessons import Lesson, read_lessons, write_lessons
from sandmle.core.engine.line_log import LineLog
from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.errors import ProviderError, RunError
from sandmle.core.hooks.events import TrainStepFinished
from sandmle.core.hooks.registry import Kind
from sandmle.plugins.trainers.holding import held, read_lines
from sandmle.plugins.trainers.openrlhf.command import ENTRY, Paths
from sandmle.plugins.trainers.openrlhf.config import OpenRlhfConfig
from sandmle.plugins.trainers.openrlhf.files import write_files
from sandmle.plugins.trainers.openrlhf.metrics import Line, parse_line
from sandmle.plugins.trainers.openrlhf.planning import Launch, plan_grpo
from sandmle.plugins.trainers.openrlhf.preflight import check_gpus, check_packages
from sandmle.plugins.trainers.openrlhf.process import Driver, open_driver

Tell = Callable[[str], None]

FINISHED: Final = "finished.json"
POLL_S: Final = 2.0
"""Between two looks for the checkpoint that a drain waits for."""
SHOWN: Final = ("policy_loss", "rollout/reward_mean", "vllm_kl", "actor_grad_norm", "timing/step_total")


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
    check_packages(launch.config, launch.place)
    check_gpus(launch.config)
    with held(out, launch.record) as (metrics, evaluations):
        if not (out / FINISHED).is_file():
            lesson = Lesson(method="grpo", scaffolds=(toolkit.settings.run.scaffold,))
            write_lessons(out, (*read_lessons(Path(str(config.policy))), lesson))
            write_files(launch.files)
            trackers = {name: toolkit.make(Kind.TRACKER, name) for name in toolkit.settings.run.trackers}
            with announcing(toolkit, lambda event: None, trackers) as announcer:
                await Watcher(launch, (metrics, evaluations), announcer, drain, tell).run(
                    [sys.executable, "-m", ENTRY, *launch.flags], {**os.environ, **launch.environment}
                )
        steps = _last_per_step(metrics.path)
        complete = (out / FINISHED).is_file()
        return OpenRlhfSummary(
            out=str(out),
            complete=complete,
            steps=steps[-1]["step"] if steps else 0,
            policy=str(launch.paths.policy) if complete else None,
            metrics=steps,
            evaluations=_last_per_step(evaluations.path),
        )


class Watcher:
    """Starts the driver, records what it says, and ends it when it should."""

    def __init__(
        self, launch: Launch, logs: tuple[LineLog, LineLog], announcer: Announcer, drain: asyncio.Event, tell: Tell
    ) -> None:
        self._launch = launch
        self._metrics, self._evaluations = logs
        self._announcer = announcer
        self._drain = drain
        self._tell = tell
        self._start = 1 + max((one.get("start", 0) for one in read_lines(self._metrics.path)), default=-1)

    async def run(self, command: Sequence[str], environment: dict[str, str]) -> None:
        """One start of the driver, to its end or to the checkpoint after a drain was asked for.

        Raises:
            RunError: a loss is no finite number.
            ProviderError: the driver failed; the message has the end of its log.
        """
        paths = self._launch.paths
        self._tell(f"starting OpenRLHF; its log is {paths.log}")
        async with open_driver(command, environment, paths.log) as driver:
            every = self._launch.config.grpo.save_every
            newest = lambda: newest_checkpoint(paths)  # noqa: E731 - a word for what is asked again and again
            waiting = asyncio.create_task(stop_when_drained(driver, self._drain, newest, every, self._tell))
            try:
                async for text in driver.lines():
                    line = parse_line(text)
                    if line is not None:
                        self._take(line)
                status = await driver.wait()
            finally:
                waiting.cancel()
                [stopped] = await asyncio.gather(waiting, return_exceptions=True)
        if stopped is True:
            self._tell("stopped; the same command goes on from the last checkpoint")
            return
        self._conclude(status, driver)

    def _take(self, line: Line) -> None:
        record = {"step": line.step, "start": self._start, **_finite_or_words(line.figures)}
        log = self._metrics if line.kind == "step" else self._evaluations
        log.append(json.dumps(record).encode(), durable=True)
        steps = self._launch.config.grpo.steps
        run_id = self._launch.paths.out.name
        self._announcer.emit(
            TrainStepFinished(run_id=run_id, kind=line.kind, step=line.step, steps=steps, figures=line.figures)
        )
        shown = SHOWN if line.kind == "step" else tuple(line.figures)
        words = ", ".join(f"{name} {line.figures[name]:.4g}" for name in shown if name in line.figures)
        self._tell(f"{line.kind} {line.step}/{steps}: {words}")
        bad = line.not_finite() if line.kind == "step" else None
        if bad is not None:
            kept = newest_checkpoint(self._launch.paths)
            raise RunError(
                f"step {line.step}: {bad} is {line.figures[bad]}; training has been stopped. "
                + (f"The last checkpoint is of step {kept}. " if kept else "There is no checkpoint yet. ")
                + "Start in another directory with a lower learning rate"
            )

    def _conclude(self, status: int, driver: Driver) -> None:
        paths = self._launch.paths
        if status != 0:
            kept = newest_checkpoint(paths)
            goes_on = f"from step {kept}" if kept else "from the beginning, since there is no checkpoint yet"
            raise ProviderError(
                f"OpenRLHF ended with status {status}; the same command goes on {goes_on}. The end of {paths.log}:\n"
                + "\n".join(driver.tail)
            )
        if not paths.policy.is_dir():
            raise ProviderError(f"OpenRLHF ended well and left no {paths.policy}; see {paths.log}")
        write_files({paths.out / FINISHED: json.dumps({"policy": str(paths.policy)}) + "\n"})


async def stop_when_drained(
    driver: Driver, drain: asyncio.Event, newest: Callable[[], int | None], every: int, tell: Tell
) -> bool:
    """Wait for a drain, then for the next whole checkpoint, and end the driver: only then is nothing lost."""
    await drain.wait()
    before = newest()
    tell(f"stopping at the next checkpoint (one every {every} steps); once more stops at once")
    while newest() == before:
        await asyncio.sleep(POLL_S)
    # To be ended is what the driver's last lines are about: whoever reads them must not take it for a failure.
    with suppress(asyncio.CancelledError):
        await driver.stop()
    return True


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


def _last_per_step(path: Path) -> list[dict[str, Any]]:
    """A resumed run makes the steps since its checkpoint again; the last word counts."""
    found = {one["step"]: one for one in read_lines(path)}
    return [found[step] for step in sorted(found)]


def _finite_or_words(figures: dict[str, float]) -> dict[str, float | str]:
    """JSON has no word for NaN and infinity."""
    return {name: value if abs(value) < float("inf") else str(value) for name, value in figures.items()}
