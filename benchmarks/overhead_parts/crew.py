"""The pieces of an episode, each charged for its own work. They pass everything through unchanged."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from overhead_parts.clock import Account, PartClock
from sandmle.core.contracts.grader import Grader
from sandmle.core.contracts.llm import ChatModel
from sandmle.core.contracts.sandbox import Sandbox, SandboxSession
from sandmle.core.contracts.scaffold import EpisodeContext, EpisodeLimits, Scaffold, TaskView, needed_actions
from sandmle.core.engine.attempt import Crew
from sandmle.core.types.message import Message, ModelReply, ReplyOptions, ToolSpec
from sandmle.core.types.sandbox import CellResult, FetchedFiles, FetchRefusal, IsolationLevel, SandboxLimits
from sandmle.core.types.score import Grade
from sandmle.core.types.trajectory import Action, ActionKind, FeedbackMode, Observation

CLIENT: Final = "our client of it"
GRAPH: Final = "LangGraph and the scaffold"
ENGINE: Final = "environment and record"
SANDBOX: Final = "sandbox, host side"
OPENING: Final = "sessions opened and ended"
GRADING: Final = "grading"
CHARGED_TO_STEPS: Final = ("litellm", CLIENT, GRAPH, ENGINE, SANDBOX)


def metered(crew: Crew, clock: PartClock) -> Crew:
    """The same crew with every piece charged."""
    return replace(
        crew,
        model=_Model(clock, crew.model),
        scaffold=_Scaffold(clock, crew.scaffold),
        sandbox=_Sandbox(clock, crew.sandbox),
        grader=_Grader(clock, crew.grader),
    )


@dataclass(frozen=True)
class _Model:
    clock: PartClock
    inner: ChatModel

    @property
    def name(self) -> str:
        return self.inner.name

    async def reply(self, messages: Sequence[Message], options: ReplyOptions) -> ModelReply:
        reply: ModelReply = await self.clock.charged(self.inner.reply(messages, options), CLIENT)
        return reply

    async def close(self) -> None:
        await self.inner.close()


@dataclass(frozen=True)
class _Scaffold:
    clock: PartClock
    inner: Scaffold

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def needs(self) -> frozenset[ActionKind]:
        return needed_actions(self.inner)

    async def run(self, episode: EpisodeContext) -> None:
        account = self.clock.new_account()
        await self.clock.charged(self.inner.run(_Episode(self.clock, episode, account)), GRAPH, account)

    def mermaid(self) -> str:
        return self.inner.mermaid()


@dataclass(frozen=True)
class _Episode:
    clock: PartClock
    inner: EpisodeContext
    account: Account

    @property
    def task(self) -> TaskView:
        return self.inner.task

    @property
    def limits(self) -> EpisodeLimits:
        return self.inner.limits

    @property
    def feedback(self) -> FeedbackMode:
        return self.inner.feedback

    @property
    def rng(self) -> random.Random:
        return self.inner.rng

    @property
    def remaining_s(self) -> float:
        return self.inner.remaining_s

    async def ask(
        self, messages: Sequence[Message], *, stop: tuple[str, ...] = (), tools: tuple[ToolSpec, ...] = ()
    ) -> ModelReply:
        asking = self.inner.ask(messages, stop=stop, tools=tools)
        reply: ModelReply = await self.clock.charged(asking, ENGINE)
        return reply

    async def act(self, action: Action) -> Observation:
        seen: Observation = await self.clock.charged(self.inner.act(action), ENGINE)
        self.account.close_step()
        return seen


@dataclass(frozen=True)
class _Sandbox:
    clock: PartClock
    inner: Sandbox

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def level(self) -> IsolationLevel:
        return self.inner.level

    async def start(self) -> None:
        await self.inner.start()

    @asynccontextmanager
    async def session(self, *, public_dir: Path | None, limits: SandboxLimits) -> AsyncIterator[SandboxSession]:
        opening = self.inner.session(public_dir=public_dir, limits=limits)
        session = await self.clock.charged(_as_coroutine(opening.__aenter__()), OPENING)
        try:
            yield _Session(self.clock, session)
        finally:
            await self.clock.charged(_as_coroutine(opening.__aexit__(None, None, None)), OPENING)

    async def check_health(self) -> None:
        await self.inner.check_health()

    async def close(self) -> None:
        await self.inner.close()


@dataclass(frozen=True)
class _Session:
    clock: PartClock
    inner: SandboxSession

    async def run(self, code: str, timeout_s: float) -> CellResult:
        result: CellResult = await self.clock.charged(self.inner.run(code, timeout_s), SANDBOX)
        return result

    async def fetch(self, path: str, max_bytes: int) -> FetchedFiles | FetchRefusal:
        fetched: FetchedFiles | FetchRefusal = await self.clock.charged(self.inner.fetch(path, max_bytes), GRADING)
        return fetched

    async def fetch_tree(self, path: str, max_bytes: int, max_files: int) -> FetchedFiles | FetchRefusal:
        return await self.inner.fetch_tree(path, max_bytes, max_files)

    async def end(self) -> None:
        await self.clock.charged(self.inner.end(), OPENING)


@dataclass(frozen=True)
class _Grader:
    clock: PartClock
    inner: Grader

    async def grade(self, task_dir: Path, submission: bytes) -> Grade:
        grade: Grade = await self.clock.charged(self.inner.grade(task_dir, submission), GRADING)
        return grade


async def _as_coroutine(work: Any) -> Any:
    return await work


async def settled() -> None:
    """Let what litellm does after its replies come to an end."""
    await asyncio.sleep(0.2)
