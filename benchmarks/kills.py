"""Zygotes, kernels and containers killed at random under running episodes: does anything get lost or left over?

Run with `python benchmarks/kills.py --episodes 500 [--sandboxes process,jupyter,docker] [--json out.json]`.
The episodes are spread over the sandboxes, most of them to `process`. While they run, every few finished episodes
a process or container of the machinery is killed. Afterwards every slot must hold exactly one episode with a typed
outcome, every failure must be recorded as the infrastructure's and have cost a try, and no process, container,
cgroup or directory may be left. Exits with 1 where that is not so. Tasks are made unless `--tasks` names some.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import secrets
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kills_parts.playing import Player, Script
from kills_parts.victims import Victims

from sandmle.core.contracts.sandbox import Sandbox
from sandmle.core.contracts.scaffold import EpisodeLimits
from sandmle.core.engine.attempt import Crew
from sandmle.core.engine.environment import Rules
from sandmle.core.engine.grading import LocalGrader
from sandmle.core.engine.recording import Sampling
from sandmle.core.engine.rollout import Plan, Rollout
from sandmle.core.engine.scoring import open_preset
from sandmle.core.engine.store import open_store, read_episodes, read_failures
from sandmle.core.engine.tasks import Task, read_task
from sandmle.core.engine.toolkit import open_toolkit
from sandmle.core.errors import SandmleError
from sandmle.core.hooks.events import EpisodeFinished, Event
from sandmle.core.hooks.registry import Kind
from sandmle.core.types.episode import Outcome
from sandmle.core.types.trajectory import FeedbackMode

SHARES = {"process": 8, "jupyter": 1, "docker": 1}
RETRIES = 2
GONE_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What is done to one sandbox."""

    sandbox: str
    episodes: int
    concurrency: int
    kill_every: int
    """Finished episodes between two kills."""
    seed: int
    settings: dict[str, Any]
    """Of the sandbox."""


@dataclass(kw_only=True)
class Tally:
    """What came of it."""

    sandbox: str
    level: str = ""
    episodes: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    """Outcome and reason of the end."""
    kills: Counter[str] = field(default_factory=Counter)
    failures: int = 0
    """Tries that the infrastructure failed."""
    made_good: int = 0
    """Episodes that a later try brought to their end."""
    left_out: int = 0
    """Episodes all of whose tries the infrastructure failed."""
    wall_s: float = 0.0
    problems: list[str] = field(default_factory=list)


async def play(trial: Trial, tasks: Sequence[Task], out: Path) -> Tally:
    """Play the episodes of one sandbox while its machinery is killed, and look at what is there afterwards."""
    began, marker = time.monotonic(), f"sandmle-kills-{secrets.token_hex(6)}"
    tally = Tally(sandbox=trial.sandbox)
    settings = {f"plugin.sandbox.{trial.sandbox}.{name}": value for name, value in trial.settings.items()}
    toolkit = open_toolkit(overrides=settings)
    victims = Victims(trial.sandbox, random.Random(trial.seed), trial.settings.get("engine"))
    slots = -(-trial.episodes // len(tasks))
    plan = Plan(
        run_id="kills", tasks=tasks, group_size=slots, concurrency=trial.concurrency, infrastructure_retries=RETRIES
    )
    sandbox: Sandbox = toolkit.make(Kind.SANDBOX, trial.sandbox)
    grader = LocalGrader()
    try:
        await sandbox.start()
        tally.level = sandbox.level.value
        crew = Crew(
            model=Script(),
            scaffold=Player(marker),
            sandbox=sandbox,
            grader=grader,
            preset=open_preset(toolkit, "release"),
            rules=_rules(),
            sampling=Sampling(rng_seed=0, temperature=1.0, max_tokens=99, llm_timeout_s=60.0),
        )
        await _run(crew, plan, trial, victims, out, tally)
    finally:
        await sandbox.close()
        await grader.close()
    _count(tally, plan, out)
    tally.problems += await _left_over(victims, marker)
    tally.wall_s = time.monotonic() - began
    return tally


def _rules() -> Rules:
    limits = EpisodeLimits(max_turns=9, cell_timeout_s=600.0, episode_timeout_s=3600.0, max_scored_submissions=3)
    return Rules(feedback=FeedbackMode.VALIDATE_ONLY, limits=limits)


async def _run(crew: Crew, plan: Plan, trial: Trial, victims: Victims, out: Path, tally: Tally) -> None:
    finished = 0

    def hear(event: Event) -> None:
        nonlocal finished
        finished += isinstance(event, EpisodeFinished)

    async def kill() -> None:
        due, rng = trial.kill_every, random.Random(trial.seed + 1)
        while True:
            await asyncio.sleep(rng.uniform(0.0, 0.2))
            if finished >= due and (kind := await asyncio.to_thread(victims.kill_one)):
                tally.kills[kind] += 1
                due = finished + trial.kill_every

    killing = asyncio.create_task(kill())
    try:
        with open_store(out, {}) as store:
            await Rollout(crew, plan, store, hear).run(asyncio.Event())
    finally:
        killing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await killing


def _count(tally: Tally, plan: Plan, out: Path) -> None:
    episodes, failures = list(read_episodes(out)), list(read_failures(out))
    tally.episodes, tally.failures = len(episodes), len(failures)
    tally.outcomes = Counter(
        f"{one.outcome.value}: {one.stop_reason.value if one.stop_reason else 'failed'}" for one in episodes
    )
    lost = [one for one in episodes if one.outcome is Outcome.INFRASTRUCTURE]
    tally.left_out = len(lost)
    tally.made_good = sum(one.attempts > 1 and one.outcome is not Outcome.INFRASTRUCTURE for one in episodes)
    there = Counter((one.task_id, one.slot) for one in episodes)
    if there != Counter((task.spec.task_id, slot) for task, slot in plan.slots()):
        tally.problems.append("not every slot holds exactly one episode")
    if any((one.stop_reason is None) != (one.outcome is Outcome.INFRASTRUCTURE) for one in episodes):
        tally.problems.append("an episode has no typed end")
    if any(one.reward is not None or one.attempts != RETRIES + 1 for one in lost):
        tally.problems.append("an episode that the infrastructure failed was rewarded, or not tried again")
    foreign = {one.kind for one in failures} - {"SandboxError"}
    if foreign:
        tally.problems.append(f"a killed sandbox was recorded as {', '.join(sorted(foreign))}")
    if sum(one.attempts - 1 for one in episodes) + len(lost) != len(failures):
        tally.problems.append("failures and tries do not add up")


async def _left_over(victims: Victims, marker: str) -> list[str]:
    """What is still there; what is about to go is waited for."""
    until = time.monotonic() + GONE_S
    while (left := await asyncio.to_thread(victims.left_over, marker)) and time.monotonic() < until:
        await asyncio.sleep(0.1)
    return left


def make_tasks(folder: Path) -> None:
    """Two tasks, by the program."""
    words = [sys.executable, "-m", "sandmle.cli", "synth", "-n", "2", "-o", str(folder)]
    subprocess.run(words, check=True, stdout=sys.stderr)


def spread(episodes: int, sandboxes: Sequence[str]) -> dict[str, int]:
    """How many episodes each sandbox gets."""
    whole = sum(SHARES[name] for name in sandboxes)
    counts = {name: episodes * SHARES[name] // whole for name in sandboxes}
    counts[sandboxes[0]] += episodes - sum(counts.values())
    return counts


def show(tally: Tally) -> str:
    """A few lines for a person."""
    lines = [f"{tally.sandbox} {tally.level}: {tally.episodes} episodes in {tally.wall_s:.0f} s"]
    lines += [f"  {count:5d}  killed: {kind}" for kind, count in sorted(tally.kills.items())]
    lines += [f"  {count:5d}  {outcome}" for outcome, count in sorted(tally.outcomes.items())]
    lines.append(f"  {tally.failures:5d}  tries failed by the infrastructure")
    lines.append(f"  {tally.made_good:5d}  episodes made good by another try, {tally.left_out} left out")
    return "\n".join([*lines, *(f"  PROBLEM: {problem}" for problem in tally.problems)])


def main() -> int:
    """Play, count, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=500)
    parser.add_argument("--sandboxes", default="process,jupyter,docker")
    parser.add_argument("--concurrency", type=int, default=6)
    parser.add_argument("--kill-every", type=int, default=8, help="finished episodes between two kills")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tasks", type=Path, help="a directory of tasks; else two are made")
    parser.add_argument("--engine", help="the docker engine, unix:///path")
    parser.add_argument("--image", help="an image of that engine")
    parser.add_argument("--json", type=Path)
    words = parser.parse_args()
    docker = {name: value for name, value in (("engine", words.engine), ("image", words.image)) if value}
    own = {"process": {"zygotes": 2}, "jupyter": {"spares": 0}, "docker": {"containers": 2, **docker}}
    tallies = []
    with tempfile.TemporaryDirectory(prefix="kills-") as directory:
        # What a sandbox leaves in the temporary directory is found there.
        tempfile.tempdir = f"{directory}/tmp"
        os.mkdir(tempfile.tempdir)
        os.chmod(directory, 0o755)
        folder = words.tasks or Path(directory, "tasks")
        if words.tasks is None:
            make_tasks(folder)
        tasks = [read_task(path.parent) for path in sorted(folder.glob("*/task.toml"))]
        for name, episodes in spread(words.episodes, words.sandboxes.split(",")).items():
            trial = Trial(
                sandbox=name, episodes=episodes, concurrency=words.concurrency, kill_every=words.kill_every,
                seed=words.seed, settings={"preload": (), **own[name]},
            )  # fmt: skip
            try:
                tally = asyncio.run(play(trial, tasks, Path(directory, name)))
            except SandmleError as problem:
                tally = Tally(sandbox=name, problems=[f"{type(problem).__name__}: {problem}"])
            print(show(tally), flush=True)
            tallies.append(tally)
    if words.json:
        words.json.write_text(json.dumps([vars(tally) for tally in tallies], indent=1), encoding="utf-8")
    return int(any(tally.problems for tally in tallies))


if __name__ == "__main__":
    sys.exit(main())
