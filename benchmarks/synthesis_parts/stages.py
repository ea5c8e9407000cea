"""Processor seconds by stage of a draft: makes drafts one after another and looks at the clocks of all processes."""

import asyncio
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sandmle.core.engine.synthesis import Assignment, DraftOutcome, synthesize
from sandmle.core.engine.toolkit import open_toolkit
from sandmle.plugins.synthesizer.drafter import GraphDrafter, open_drafter

OTHER: Final = "begin, commit"
"""What lies between the nodes of the graph."""
_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Watched:
    """A graph that says after which node which processor time was spent."""

    graph: Any
    spent: dict[str, float]

    async def ainvoke(self, state: Any, *, context: Any) -> Any:
        last, clock = dict(state), processor_s()
        async for mode, told in self.graph.astream(state, context=context, stream_mode=["updates", "values"]):
            if mode == "values":
                last = told
                continue
            now = processor_s()
            for node in told:
                self.spent[node] = self.spent.get(node, 0.0) + now - clock
            clock = now
        return last


@dataclass(frozen=True, slots=True)
class _OneByOne:
    """Drafts one at a time, so that what is spent meanwhile is spent on the one."""

    drafter: GraphDrafter
    turn: asyncio.Lock

    async def draft(self, assignment: Assignment) -> DraftOutcome:
        async with self.turn:
            return await self.drafter.draft(assignment)


def stages(out: Path, count: int, rng_seed: int, mix: str) -> dict[str, Any]:
    """Make so many tasks anew with one worker.

    Returns:
        Drafts, and mean processor seconds of a draft by node of the synthesizer's graph and for all that lies between.
    """
    shutil.rmtree(out, ignore_errors=True)
    return asyncio.run(_stages(out, count, rng_seed, mix))


def stage_lines(found: Mapping[str, Any]) -> list[str]:
    """The same for a person."""
    spent = found["core_s_per_draft"]
    lines = [f"  {seconds:6.3f}  {node}" for node, seconds in spent.items()]
    return [f"core seconds of each of {found['drafts']} drafts: {sum(spent.values()):.2f}", *lines]


async def _stages(out: Path, count: int, rng_seed: int, mix: str) -> dict[str, Any]:
    toolkit = open_toolkit(overrides={"synthesis.mix": mix, "synthesis.workers": 1})
    spent: dict[str, float] = {}
    began = processor_s()
    async with open_drafter(toolkit) as drafter:
        watched = GraphDrafter(Watched(drafter.graph, spent), drafter.context)  # type: ignore[arg-type]
        one_by_one = _OneByOne(watched, asyncio.Lock())
        result = await synthesize(toolkit, one_by_one, out=out, wanted=count, rng_seed=rng_seed)
        spent[OTHER] = processor_s() - began - sum(spent.values())
    drafts = max(1, result.drafts)
    return {"drafts": result.drafts, "core_s_per_draft": {node: round(s / drafts, 3) for node, s in spent.items()}}


def processor_s() -> float:
    """Seconds that this process and all below it have used, those that have ended included."""
    ticks, waiting = 0, [os.getpid()]
    while waiting:
        place = Path(f"/proc/{waiting.pop()}")
        try:
            ticks += sum(map(int, (place / "stat").read_text().rpartition(")")[2].split()[11:15]))
            waiting += [
                int(pid) for one in (place / "task").iterdir() for pid in (one / "children").read_text().split()
            ]
        except OSError:
            # It has ended meanwhile, and its parent will tell.
            continue
    return ticks / _TICKS
