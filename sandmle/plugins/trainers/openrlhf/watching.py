"""Watches a driver of OpenRLHF: records what it says, tells trackers, ends it when it should be ended."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sandmle.core.engine.announcing import Announcer
from sandmle.core.engine.line_log import LineLog
from sandmle.core.errors import ProviderError, RunError
from sandmle.core.hooks.events import TrainStepFinished
from sandmle.plugins.trainers.holding import read_lines
from sandmle.plugins.trainers.openrlhf.command import Paths
from sandmle.plugins.trainers.openrlhf.files import write_files
from sandmle.plugins.trainers.openrlhf.metrics import Line
from sandmle.plugins.trainers.openrlhf.process import Driver, open_driver

Tell = Callable[[str], None]

FINISHED: Final = "finished.json"
POLL_S: Final = 2.0
"""Between two looks for the checkpoint that a drain waits for."""
SHOWN: Final = ("policy_loss", "rollout/reward_mean", "vllm_kl", "actor_grad_norm", "timing/step_total", "gpt_loss")


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """One training, as its watcher has to know it."""

    paths: Paths
    steps: int
    """That it will have when complete."""
    save_every: int
    """Steps between two checkpoints."""
    newest: Callable[[], int | None]
    """Step of the newest whole checkpoint."""
    read: Callable[[str], Line | None]
    """The figures of a line that the driver prints; None of any other line."""


class Watcher:
    """Starts the driver, records what it says, and ends it when it should."""

    def __init__(
        self, watched: Watched, logs: tuple[LineLog, LineLog], announcer: Announcer, drain: asyncio.Event, tell: Tell
    ) -> None:
        self._watched = watched
        self._metrics, self._evaluations = logs
        self._announcer = announcer
        self._drain = drain
        self._tell = tell
        self._start = 1 + max((one.get("start", 0) for one in read_lines(self._metrics.path)), default=-1)

    async def run(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """One start of the driver, to its end or to the checkpoint after a drain was asked for.

        Raises:
            RunError: a loss is no finite number.
            ProviderError: the driver failed; the message has the end of its log.
        """
        watched = self._watched
        self._tell(f"starting OpenRLHF; its log is {watched.paths.log}")
        async with open_driver(command, environment, watched.paths.log) as driver:
            stopping = stop_when_drained(driver, self._drain, watched.newest, watched.save_every, self._tell)
            waiting = asyncio.create_task(stopping)
            try:
                async for text in driver.lines():
                    line = watched.read(text)
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
        steps, run_id = self._watched.steps, self._watched.paths.out.name
        self._announcer.emit(
            TrainStepFinished(run_id=run_id, kind=line.kind, step=line.step, steps=steps, figures=line.figures)
        )
        shown = SHOWN if line.kind == "step" else tuple(line.figures)
        words = ", ".join(f"{name} {line.figures[name]:.4g}" for name in shown if name in line.figures)
        self._tell(f"{line.kind} {line.step}/{steps}: {words}")
        bad = line.not_finite() if line.kind == "step" else None
        if bad is not None:
            kept = self._watched.newest()
            raise RunError(
                f"step {line.step}: {bad} is {line.figures[bad]}; training has been stopped. "
                + (f"The last checkpoint is of step {kept}. " if kept else "There is no checkpoint yet. ")
                + "Start in another directory with a lower learning rate"
            )

    def _conclude(self, status: int, driver: Driver) -> None:
        paths = self._watched.paths
        if status != 0:
            kept = self._watched.newest()
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


def last_per_step(path: Path) -> list[dict[str, Any]]:
    """A resumed run makes the steps since its checkpoint again; the last word counts."""
    found = {one["step"]: one for one in read_lines(path)}
    return [found[step] for step in sorted(found)]


def _finite_or_words(figures: dict[str, float]) -> dict[str, float | str]:
    """JSON has no word for NaN and infinity."""
    return {name: value if abs(value) < float("inf") else str(value) for name, value in figures.items()}
