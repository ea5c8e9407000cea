"""Rollouts of a real policy in real sandboxes: how long do they take beside generation and the agent's own code?"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any, Final

from sandmle.core.contracts.llm import ChatModel
from sandmle.core.contracts.sandbox import Sandbox, SandboxSession
from sandmle.core.engine.crews import open_chat_model, open_crew
from sandmle.core.engine.tasks import list_tasks
from sandmle.core.engine.toolkit import open_toolkit
from sandmle.core.types.episode import Episode
from sandmle.core.types.message import Message, ModelReply, ReplyOptions
from sandmle.core.types.sandbox import CellResult, SandboxLimits
from sandmle.plugins.trainers.local.playing import open_stage
from training_parts.world import CONFIG, World

LIMIT: Final = 1.3

Interval = tuple[float, float]


@dataclass
class Work:
    """When somebody generated, and when agent code ran."""

    generation: list[Interval] = field(default_factory=list)
    code: list[Interval] = field(default_factory=list)


class WatchedModel:
    """A chat model whose replies are timed."""

    def __init__(self, model: ChatModel, work: Work) -> None:
        self._model, self._work = model, work
        self.name = model.name

    async def reply(self, messages: Sequence[Message], options: ReplyOptions) -> ModelReply:
        """Pass on."""
        began = time.monotonic()
        try:
            return await self._model.reply(messages, options)
        finally:
            self._work.generation.append((began, time.monotonic()))

    async def close(self) -> None:
        """Whoever opened the model closes it."""


class WatchedSandbox:
    """A sandbox whose cells are timed, by what they took themselves."""

    def __init__(self, sandbox: Sandbox, work: Work) -> None:
        self._sandbox, self._work = sandbox, work
        self.name, self.level = sandbox.name, sandbox.level

    async def start(self) -> None:
        """It is started."""

    @asynccontextmanager
    async def session(self, *, public_dir: Path | None, limits: SandboxLimits) -> AsyncIterator[Any]:
        """Pass on."""
        async with self._sandbox.session(public_dir=public_dir, limits=limits) as session:
            yield WatchedSession(session, self._work)

    async def check_health(self) -> None:
        """Pass on."""
        await self._sandbox.check_health()

    async def close(self) -> None:
        """Whoever opened the sandbox closes it."""


class WatchedSession:
    """One of its sessions."""

    def __init__(self, session: SandboxSession, work: Work) -> None:
        self._session, self._work = session, work
        self.fetch, self.fetch_tree, self.end = session.fetch, session.fetch_tree, session.end

    async def run(self, code: str, timeout_s: float) -> CellResult:
        """Pass on."""
        result = await self._session.run(code, timeout_s)
        ended = time.monotonic()
        self._work.code.append((ended - result.wall_s, ended))
        return result


async def measure(world: World, folder: Path, *, group_size: int, concurrency: int) -> dict[str, float]:
    """Play every task that many times, so many at once.

    Returns:
        Seconds in all (`wall_s`), of generation and of code (each counted once where several overlap), `ratio` of the
        first to the time in which either went on, `episode_ratio`, the median over episodes of their own record's
        total to what it names generation and code, and how many `episodes` and `cells` there were.
    """
    toolkit = open_toolkit(file=CONFIG, overrides=world.words(run__concurrency=concurrency))
    work = Work()
    async with open_chat_model(toolkit, f"local/{world.policy}") as model, open_crew(toolkit, model) as crew:
        watched = replace(crew, model=WatchedModel(model, work), sandbox=WatchedSandbox(crew.sandbox, work))
        tasks = list(list_tasks(world.tasks))
        # What is loaded and compiled once is no part of a rollout; the first grade also starts its grader.
        first = tasks[0].layout
        await crew.grader.grade(first.root, first.sample_submission.read_bytes())
        with open_stage(toolkit, folder / "warm", 1, asyncio.Event()) as stage:
            await stage.play(watched, tasks[:1], 1)
        work.generation.clear()
        work.code.clear()
        with open_stage(toolkit, folder / "run", group_size, asyncio.Event()) as stage:
            began = time.monotonic()
            groups = await stage.play(watched, tasks, group_size)
            wall_s = time.monotonic() - began
    busy_s = _covered([*work.generation, *work.code])
    episodes = [episode for group in groups for episode in group]
    return {
        "wall_s": wall_s,
        "generation_s": _covered(work.generation),
        "code_s": _covered(work.code),
        "ratio": wall_s / busy_s,
        "episode_ratio": median(map(_own_ratio, episodes)),
        "episodes": len(episodes),
        "cells": len(work.code),
    }


def _own_ratio(episode: Episode) -> float:
    took = episode.timings
    return (took.total_s - took.queue_s) / (took.llm_s + took.run_s)


def _covered(intervals: Sequence[Interval]) -> float:
    """Length of the union."""
    total, until = 0.0, float("-inf")
    for start, end in sorted(intervals):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total
