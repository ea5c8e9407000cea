"""What a step costs beside the model and the agent's own code, and how busy a slow provider is kept.

    python benchmarks/overhead.py --json out.json

Episodes of every scaffold are played with a provider that answers at once, through litellm and LangGraph, in the real
sandbox, graded and recorded. What is left is ours: it is charged to its parts. The clock that tells them takes time of
its own, so every run is played without it too, and that one tells what all of it takes. Side by side, in turns, so
that a machine getting busier favours none: a bare loop that does nothing but the work, a loop that runs every program
as a new process, as MLE-Dojo does, and AIDE's own package, in an environment that is made for it (`--aide-env` keeps
it). Then as many episodes at once are run over HTTP against a server that takes two seconds a reply.
"""

import argparse
import asyncio
import json
import os
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from statistics import median
from typing import Any

from overhead_parts import loops, provider
from overhead_parts.aide_peer import NoPeerError, Players, make_environment, open_players
from overhead_parts.busy import MODELS, keep_busy
from overhead_parts.clock import PartClock
from overhead_parts.ours import Played, play
from overhead_parts.tables import BUSY_AT_LEAST, LIMIT_MS, as_text
from overhead_parts.world import SCAFFOLDS, TREES, make_task

from sandmle.core.engine.tasks import Task
from sandmle.core.engine.toolkit import Toolkit, open_toolkit
from sandmle.plugins.llms.client import quiet_litellm

AIDE = "AIDE's own package, an attempt of two replies"
DELAY_S = 2.0


async def measure(words: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Everything, in this order: rounds of all side by side, the other scaffolds, the slow provider."""
    clock = PartClock()
    clock.attach(asyncio.get_running_loop())
    quiet_litellm()
    provider.register(clock)
    toolkit = open_toolkit(overrides={"run.max_turns": words.turns})
    task = make_task(folder / "tasks")
    async with _aide(words, task, folder) as (players, left_out):
        # What a first call imports and compiles is no part of a step.
        await play(toolkit, task, "react", 2, folder / "warm", clock)
        rounds = [await _round(number, words, toolkit, task, players, folder, clock) for number in range(words.rounds)]
        left_out = players.problem if players else left_out
    played = {
        name: await play(toolkit, task, name, words.episodes, folder / name, clock)
        for name in words.scaffolds.split(",")
    }
    busy = {
        model: await keep_busy(toolkit, task, model, words.episodes, words.delay, folder / "busy" / str(number))
        for number, model in enumerate(MODELS)
    }
    return {
        "episodes": words.episodes,
        "turns": words.turns,
        "processors": len(os.sched_getaffinity(0)),
        "step": _step([one for one, _ in rounds]),
        "scaffolds": {name: _row(one) for name, one in played.items()},
        "side_by_side": _beside(rounds, played),
        "left_out": left_out,
        "busy": {model: {**one, "holds": one["busy"] >= BUSY_AT_LEAST} for model, one in busy.items()},
    }


@asynccontextmanager
async def _aide(
    words: argparse.Namespace, task: Task, folder: Path
) -> AsyncIterator[tuple[Players | None, str | None]]:
    """The peer's agents, or why there are none."""
    players, left_out = None, f"{AIDE}: it was not asked for"
    async with AsyncExitStack() as stack:
        if not words.no_aide:
            try:
                python = await asyncio.to_thread(make_environment, words.aide_env or folder / "aide-env")
                opening = open_players(python, task.layout.public, folder, words.aide_agents)
                players, left_out = await stack.enter_async_context(opening), None
            except NoPeerError as problem:
                left_out = f"{AIDE}: {problem}"
        yield players, left_out


async def _round(
    number: int,
    words: argparse.Namespace,
    toolkit: Toolkit,
    task: Task,
    players: Players | None,
    folder: Path,
    clock: PartClock,
) -> tuple[Played, dict[str, dict[str, float]]]:
    room = folder / f"round{number}"
    room.mkdir()
    others = {
        "bare loop": await loops.timed(loops.bare, words.episodes, words.turns, room),
        "a new process for each program, as MLE-Dojo": await loops.timed(
            loops.subprocesses, words.episodes, words.process_steps, room
        ),
    }
    ours = await play(toolkit, task, "react", words.episodes, room / "run", clock)
    peer = await players.timed(words.aide_steps) if players else None
    return ours, {**others, AIDE: peer} if peer else others


def _step(rounds: Sequence[Played]) -> dict[str, Any]:
    """Of the rounds, the median of each figure."""
    took = median(one.step_ms() for one in rounds)
    parts = [one.parts_ms() for one in rounds]
    return {
        "median_ms": took,
        "limit_ms": LIMIT_MS,
        "holds": took <= LIMIT_MS,
        "elapsed_ms": median(one.elapsed_ms() for one in rounds),
        "parts_ms": {name: median(one[name] for one in parts) for name in parts[0]},
        "clock_ms": median(one.clock_ms() for one in rounds),
        "steps": sum(one.steps for one in rounds),
    }


def _row(played: Played) -> dict[str, Any]:
    return {
        "median_ms": played.step_ms(),
        "elapsed_ms": played.elapsed_ms(),
        "steps": played.steps,
        "turns": played.turns,
        "parts_ms": played.parts_ms(),
        "clock_ms": played.clock_ms(),
    }


def _beside(
    rounds: Sequence[tuple[Played, dict[str, dict[str, float]]]], played: dict[str, Played]
) -> dict[str, dict[str, float]]:
    """Every loop's step; a tree search's by its attempts, since that is what the peer calls a step."""
    table = {"SandMLE, react": _spent([one for one, _ in rounds])}
    for name in [one for one in rounds[0][1] if all(one in others for _, others in rounds)]:
        table[name] = {key: median(others[name][key] for _, others in rounds) for key in ("elapsed_ms", "cpu_ms")}
    for name in TREES:
        if name in played:
            table[f"SandMLE, {name}, an attempt of two replies"] = _spent([played[name]], by_attempt=True)
    return table


def _spent(runs: Sequence[Played], *, by_attempt: bool = False) -> dict[str, float]:
    runs = [one.unwatched or one for one in runs]
    counts = [one.turns / 2 if by_attempt else one.steps for one in runs]
    return {
        "elapsed_ms": median(one.elapsed_s / count * 1e3 for one, count in zip(runs, counts, strict=True)),
        "cpu_ms": median(
            (one.host_cpu_s + one.others_cpu_s) / count * 1e3 for one, count in zip(runs, counts, strict=True)
        ),
    }


def main() -> None:
    """Measure, print a table, write JSON when asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=64, help="episodes at once")
    parser.add_argument("--turns", type=int, default=15, help="replies of an episode")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scaffolds", default=",".join(SCAFFOLDS), help="those measured one by one")
    parser.add_argument("--process-steps", type=int, default=2, help="steps of an episode with a process for each")
    parser.add_argument("--delay", type=float, default=DELAY_S, help="seconds the slow provider takes")
    parser.add_argument("--no-aide", action="store_true", help="leave AIDE's own package out")
    parser.add_argument("--aide-env", type=Path, help="where its environment is kept; by default it is made anew")
    parser.add_argument("--aide-agents", type=int, default=4, help="its agents at once, each a process")
    parser.add_argument("--aide-steps", type=int, default=5)
    parser.add_argument("--json", type=Path)
    words = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(measure(words, Path(folder)))
    print(as_text(figures))
    if words.json:
        words.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
