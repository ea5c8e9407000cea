"""Whole runs of SandMLE, 64 episodes at once, with a model that answers at once: what does a step take, and where?"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Final

from overhead_parts.clock import PartClock
from overhead_parts.crew import CHARGED_TO_STEPS, GRADING, OPENING, metered, settled
from overhead_parts.processes import tree_cpu_s
from overhead_parts.provider import MODEL, PREFIX
from overhead_parts.world import LATER, TREES
from sandmle.core.engine.attempt import Crew
from sandmle.core.engine.crews import open_chat_model, open_crew
from sandmle.core.engine.rollout import Plan, Rollout
from sandmle.core.engine.store import RunStore, open_store, read_episodes
from sandmle.core.engine.tasks import Task
from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.hooks.events import Event
from sandmle.core.types.episode import Outcome
from sandmle.core.types.sandbox import SandboxLimits

DEADLINE_S: Final = 60.0
REST: Final = "records, event loop, threads"
OTHERS: Final = "sessions' and grader's processes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """One run."""

    steps: int
    turns: int
    elapsed_s: float
    host_cpu_s: float
    """Of this process."""
    others_cpu_s: float
    """Of the processes below it."""
    totals: Counter[str]
    """Nanoseconds on the event loop's thread by part."""
    step_parts: tuple[Counter[str], ...]
    """The same of each step."""
    unwatched: "Played | None" = None
    """The same once more without the clock that tells the parts, whose own work is no part of a step."""

    def parts_ms(self) -> dict[str, float]:
        """Milliseconds a step by part: the median where steps are charged, else an equal share."""
        spread = {name: self.totals[name] / self.steps / 1e6 for name in (OPENING, GRADING)}
        known_s = sum(self.totals.values()) / 1e9
        return {
            **{name: self._median_ms(name) + self._unclaimed_ms(name) for name in CHARGED_TO_STEPS},
            **spread,
            REST: max(0.0, self.host_cpu_s - known_s) / self.steps * 1e3,
            OTHERS: self.others_cpu_s / self.steps * 1e3,
        }

    def cpu_ms(self) -> float:
        """Milliseconds of processor time for each step, the mean, everything but the model included."""
        return (self.host_cpu_s + self.others_cpu_s - self.totals[MODEL] / 1e9) / self.steps * 1e3

    def step_ms(self) -> float:
        """Milliseconds of processor time that the median step takes, everything but the model and the clock included.

        Which step is the median one is told by the clock; what all of them take, by the run that it did not watch.
        """
        if self.unwatched is None:
            return self._watched_step_ms()
        model_ms = self.totals[MODEL] / self.steps / 1e6
        return self._watched_step_ms() * (self.unwatched.cpu_ms() - model_ms) / self.cpu_ms()

    def clock_ms(self) -> float:
        """Milliseconds of processor time by which the clock made the median step longer."""
        return self._watched_step_ms() - self.step_ms()

    def _watched_step_ms(self) -> float:
        unclaimed = sum(map(self._unclaimed_ms, CHARGED_TO_STEPS))
        others = sum(took for name, took in self.parts_ms().items() if name not in CHARGED_TO_STEPS)
        return self._median_ms(*CHARGED_TO_STEPS) + unclaimed + others

    def _median_ms(self, *parts: str) -> float:
        return median(sum(step[name] for name in parts) for step in self.step_parts) / 1e6

    def _unclaimed_ms(self, part: str) -> float:
        """An equal share of what is done for no step in particular, as litellm's bookkeeping after its replies."""
        claimed = sum(step[part] for step in self.step_parts)
        return max(0, self.totals[part] - claimed) / self.steps / 1e6

    def elapsed_ms(self) -> float:
        """Milliseconds that passed for each step of the whole, the scripted model's own left out."""
        elapsed_s = (self.unwatched or self).elapsed_s
        return (elapsed_s - self.totals[MODEL] / 1e9) / self.steps * 1e3


async def play(toolkit: Toolkit, task: Task, scaffold: str, episodes: int, folder: Path, clock: PartClock) -> Played:
    """Play that many episodes of one task at once and record them below `folder`, without the clock and with it."""
    folder.mkdir()
    settings = toolkit.override({"run.scaffold": scaffold, **_options(scaffold)})
    async with open_chat_model(settings, f"{PREFIX}/{scaffold}") as model, open_crew(settings, model) as crew:
        await _warm(crew, task)
        with clock.stopped():
            unwatched = await _play(crew, task, episodes, folder / "unwatched", clock)
        watched = await _play(crew, task, episodes, folder / "watched", clock)
    return replace(watched, unwatched=unwatched)


async def _play(crew: Crew, task: Task, episodes: int, folder: Path, clock: PartClock) -> Played:
    plan = Plan(run_id=folder.name, tasks=[task], group_size=episodes, concurrency=episodes, infrastructure_retries=0)
    with _store(folder) as store:
        rollout = Rollout(metered(crew, clock), plan, store, _ignored)
        clock.totals.clear()
        clock.accounts.clear()
        others_s = tree_cpu_s() - time.process_time()
        host_s, began = time.process_time(), time.perf_counter()
        await rollout.run(asyncio.Event())
        elapsed_s = time.perf_counter() - began
        await settled()
        host_s = time.process_time() - host_s
        others_s = tree_cpu_s() - time.process_time() - others_s
    return _played(folder, clock, elapsed_s, host_s, others_s)


async def _warm(crew: Crew, task: Task) -> None:
    """Have the grader start and a session be forked: that happens once in a run, however many steps it has."""
    await crew.grader.grade(task.layout.root, task.layout.sample_submission.read_bytes())
    async with crew.sandbox.session(public_dir=task.layout.public, limits=SandboxLimits()) as session:
        await session.run(LATER, DEADLINE_S)


def _options(scaffold: str) -> dict[str, object]:
    # A look at the data is work that the scaffold wants done, and imports pandas; it is no overhead.
    return {f"plugin.scaffold.{scaffold}.data_preview": False} if scaffold in TREES else {}


def _played(folder: Path, clock: PartClock, elapsed_s: float, host_cpu_s: float, others_cpu_s: float) -> Played:
    episodes = list(read_episodes(folder))
    failed = [one for one in episodes if one.outcome is not Outcome.SCORED]
    if failed:
        why = failed[0].failure or f"{failed[0].outcome.value}, {failed[0].stop_reason.value}"
        raise RuntimeError(f"{folder.name}: {len(failed)} of {len(episodes)} episodes were not scored: {why}")
    return Played(
        steps=sum(len(one.trajectory.steps) for one in episodes),
        turns=sum(len(one.trajectory.replies()) for one in episodes),
        elapsed_s=elapsed_s,
        host_cpu_s=host_cpu_s,
        others_cpu_s=others_cpu_s,
        totals=Counter(clock.totals),
        step_parts=tuple(step for account in clock.accounts for step in account.steps),
    )


@contextmanager
def _store(folder: Path) -> Iterator[RunStore]:
    with open_store(folder, {}) as store:
        yield store


def _ignored(event: Event) -> None:
    """Nobody watches."""
