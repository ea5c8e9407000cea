"""The graph that turns a language model into an agent, and what it is given to work with."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from sandmle.core.types.message import Message, ModelReply, ToolSpec
from sandmle.core.types.trajectory import Action, ActionKind, FeedbackMode, Observation, StopReason


class EpisodeOver(Exception):  # noqa: N818 - control flow, not an error
    """A budget ran out or the session died; raised by `ask` and `act`, let it pass."""

    def __init__(self, reason: StopReason) -> None:
        super().__init__(reason.value)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskView:
    """What a scaffold may know of a task: public things only."""

    task_id: str
    description: str
    files: tuple[str, ...]
    """Public files as agent code sees them, `data/train.csv` and so on; of a media folder, its path and count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeLimits:
    """What one episode may use."""

    max_turns: int
    cell_timeout_s: float
    episode_timeout_s: float
    max_scored_submissions: int


class EpisodeContext(Protocol):
    """One episode, as its scaffold sees it. Everything said and done through it is recorded."""

    @property
    def task(self) -> TaskView: ...

    @property
    def limits(self) -> EpisodeLimits: ...

    @property
    def feedback(self) -> FeedbackMode: ...

    @property
    def rng(self) -> random.Random:
        """The episode's own stream, derived from the run's rng seed, the task and the slot."""
        ...

    @property
    def remaining_s(self) -> float:
        """Seconds left to the episode. Whoever tells the policy makes its prompts differ from run to run."""
        ...

    async def ask(
        self, messages: Sequence[Message], *, stop: tuple[str, ...] = (), tools: tuple[ToolSpec, ...] = ()
    ) -> ModelReply:
        """Have the policy answer a conversation: one turn.

        A conversation that extends the last one (its messages and the policy's own replies, unchanged)
        stays in the same segment; any other begins a new one.

        Raises:
            EpisodeOver: no turns or no time left.
            ProviderError: the provider failed.
        """
        ...

    async def act(self, action: Action) -> Observation:
        """Execute one action in the environment: one step.

        Raises:
            EpisodeOver: `finish` was executed, no time is left, or the session died.
            SandboxError: the machinery failed.
        """
        ...


@runtime_checkable
class Scaffold(Protocol):
    """An agent design. One instance serves many episodes at once, so it keeps no state of its own.

    One that has an attribute `needs`, the kinds of action it cannot do without, is refused before a run whose
    environment withholds one of them.
    """

    @property
    def name(self) -> str: ...

    async def run(self, episode: EpisodeContext) -> None:
        """Play one episode to its end. Returning ends it as `finished`; `EpisodeOver` passes through."""
        ...

    def mermaid(self) -> str:
        """The graph's picture as mermaid text."""
        ...


def needed_actions(scaffold: Scaffold) -> frozenset[ActionKind]:
    """What it declares as `needs`; a scaffold that declares nothing needs nothing."""
    return frozenset(getattr(scaffold, "needs", ()))
