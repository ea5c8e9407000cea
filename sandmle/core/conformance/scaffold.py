"""A scripted episode for tests, and the checks that every `Scaffold` has to pass. Shipped to plugin authors."""

import asyncio
import inspect
import random
from collections.abc import Callable, Sequence

from sandmle.core.conformance.shape import check_shape
from sandmle.core.contracts.scaffold import (
    EpisodeContext,
    EpisodeLimits,
    EpisodeOver,
    Scaffold,
    TaskView,
    needed_actions,
)
from sandmle.core.errors import PluginError, SandboxError, boundary
from sandmle.core.types.message import Message, ModelReply, ToolSpec
from sandmle.core.types.sandbox import CellStatus
from sandmle.core.types.trajectory import Action, ActionKind, FeedbackMode, Observation, StopReason

LIMITS = EpisodeLimits(max_turns=6, cell_timeout_s=5.0, episode_timeout_s=60.0, max_scored_submissions=3)
DEADLINE_S = 30.0
"""A scaffold that plays six scripted turns for longer than this hangs."""

Speak = Callable[[Sequence[Message], int], str | ModelReply]
"""(conversation, turn) to the policy's reply."""
World = Callable[[Action], Observation]


class ScriptedEpisode:
    """An `EpisodeContext` without sandbox or model: the policy and the world are functions.

    It keeps what it was asked and what was done, and ends as a real episode does: by `finish`, by its
    turn limit, or with `over` after `over_after` actions.
    """

    def __init__(
        self,
        speak: Speak | Sequence[str | ModelReply],
        world: World | None = None,
        *,
        task: TaskView | None = None,
        limits: EpisodeLimits = LIMITS,
        feedback: FeedbackMode = FeedbackMode.PUBLIC_BOARD,
        over: StopReason = StopReason.SESSION_DIED,
        over_after: int | None = None,
        failing: bool = False,
    ) -> None:
        script = speak
        self._speak: Speak = script if callable(script) else lambda messages, turn: script[min(turn, len(script) - 1)]
        self._world = world or _calm_world
        self._task = task or TaskView(
            task_id="scripted-task",
            description="Predict `target`. The metric is accuracy.",
            files=("data/train.csv", "data/test.csv", "data/sample_submission.csv"),
        )
        self._limits = limits
        self._feedback = feedback
        self._over, self._over_after, self._failing = over, over_after, failing
        self._rng = random.Random(0)
        self.asked: list[tuple[Message, ...]] = []
        self.replies: list[str] = []
        """The text of each."""
        self.actions: list[Action] = []
        self.observations: list[Observation] = []
        self.ended: StopReason | None = None

    @property
    def task(self) -> TaskView:
        return self._task

    @property
    def limits(self) -> EpisodeLimits:
        return self._limits

    @property
    def feedback(self) -> FeedbackMode:
        return self._feedback

    @property
    def rng(self) -> random.Random:
        return self._rng

    @property
    def remaining_s(self) -> float:
        """All of it: a scripted episode takes no time, so that it is the same each time."""
        return self._limits.episode_timeout_s

    async def ask(
        self, messages: Sequence[Message], *, stop: tuple[str, ...] = (), tools: tuple[ToolSpec, ...] = ()
    ) -> ModelReply:
        self._refuse_when_over()
        # Room for another episode's turn, so that state shared between episodes shows.
        await asyncio.sleep(0)
        if len(self.asked) >= self._limits.max_turns:
            raise self._end(StopReason.MAX_TURNS)
        self.asked.append(tuple(messages))
        said = self._speak(messages, len(self.asked) - 1)
        reply = said if isinstance(said, ModelReply) else ModelReply(text=said)
        self.replies.append(reply.text)
        return reply

    async def act(self, action: Action) -> Observation:
        self._refuse_when_over()
        await asyncio.sleep(0)
        if self._failing:
            raise SandboxError("the scripted sandbox fails")
        self.actions.append(action)
        if action.kind is ActionKind.FINISH:
            raise self._end(StopReason.FINISHED)
        if self._over_after is not None and len(self.actions) > self._over_after:
            raise self._end(self._over)
        seen = Observation(text=action.problem) if action.kind is ActionKind.INVALID else self._world(action)
        self.observations.append(seen)
        return seen

    def _refuse_when_over(self) -> None:
        if self.ended is not None:
            raise EpisodeOver(self.ended)

    def _end(self, reason: StopReason) -> EpisodeOver:
        self.ended = reason
        return EpisodeOver(reason)


def _calm_world(action: Action) -> Observation:
    if action.kind is ActionKind.SUBMIT:
        return Observation(text="The submission is valid.")
    return Observation(text="(no output)", cell=CellStatus.OK)


async def check_scaffold(scaffold: Scaffold, speak: Speak | Sequence[str | ModelReply]) -> None:
    """Drive a scaffold through scripted episodes.

    Args:
        scaffold: the scaffold, made once as for a run.
        speak: a policy that speaks the scaffold's protocol and runs code at least once.

    Raises:
        PluginError: it breaks a promise of the contract; the message says which.
    """
    what = f"scaffold {getattr(scaffold, 'name', '?')!r}"
    check_shape(scaffold, Scaffold, what)
    if not isinstance(scaffold.name, str) or not scaffold.name.strip():
        raise PluginError("a scaffold has no name")
    await _check_ends(scaffold, speak)
    await _check_passes_over(scaffold, speak)
    await _check_passes_failures(scaffold, speak)
    await _check_endures_nonsense(scaffold)
    await _check_keeps_no_state(scaffold, speak)
    with boundary(PluginError, f"{what}: its `needs` cannot be read"):
        strange = [kind for kind in needed_actions(scaffold) if not isinstance(kind, ActionKind)]
    if strange:
        raise PluginError(f"{what}: `needs` holds {strange[0]!r}, which is no ActionKind")
    with boundary(PluginError, f"{what} failed in its mermaid()"):
        picture: object = scaffold.mermaid()
    if not isinstance(picture, str) or not _draws(picture):
        raise PluginError(f"{what}: mermaid() does not draw a graph")


def _draws(picture: str) -> bool:
    return ("graph" in picture or "flowchart" in picture) and ("--" in picture or "-." in picture)


async def play(scaffold: Scaffold, episode: EpisodeContext) -> StopReason:
    """Run one episode as the rollout engine does: returning is `finished`, `EpisodeOver` says why else.

    Raises:
        PluginError: the scaffold raises, does not come to an end, or returns something.
        InfrastructureError: it let a failure of the machinery pass, as it should.
    """
    what = f"scaffold {scaffold.name!r}"
    try:
        with boundary(PluginError, f"{what} failed in its run()"):
            return await _played(scaffold, episode, what)
    except PluginError as problem:
        if isinstance(problem.__cause__, TimeoutError):
            raise PluginError(f"{what} did not end within {DEADLINE_S:g} s") from problem
        raise


async def _played(scaffold: Scaffold, episode: EpisodeContext, what: str) -> StopReason:
    try:
        async with asyncio.timeout(DEADLINE_S):
            running: object = scaffold.run(episode)
            if not inspect.isawaitable(running):
                raise PluginError(
                    f"{what}: run() gave a {type(running).__name__} that cannot be awaited; write `async def run`"
                )
            returned = await running
    except EpisodeOver as over:
        return over.reason
    if returned is not None:
        raise PluginError(
            f"{what}: run() returned a {type(returned).__name__}; it ends an episode by returning nothing"
        )
    return StopReason.FINISHED


async def _check_ends(scaffold: Scaffold, speak: Speak | Sequence[str | ModelReply]) -> None:
    episode = ScriptedEpisode(speak)
    await play(scaffold, episode)
    if not any(action.kind is ActionKind.RUN_CODE for action in episode.actions):
        raise PluginError(f"scaffold {scaffold.name!r} ran no code although the policy asked for it")


async def _check_passes_over(scaffold: Scaffold, speak: Speak | Sequence[str | ModelReply]) -> None:
    for reason in (StopReason.SESSION_DIED, StopReason.DEADLINE):
        reached = await play(scaffold, ScriptedEpisode(speak, over=reason, over_after=0))
        if reached is not reason:
            raise PluginError(
                f"scaffold {scaffold.name!r} swallowed EpisodeOver({reason}): the episode ended as {reached}; "
                "let it pass"
            )


async def _check_passes_failures(scaffold: Scaffold, speak: Speak | Sequence[str | ModelReply]) -> None:
    try:
        await play(scaffold, ScriptedEpisode(speak, failing=True))
    except SandboxError:
        return
    raise PluginError(f"scaffold {scaffold.name!r} swallowed a SandboxError; let it pass")


async def _check_endures_nonsense(scaffold: Scaffold) -> None:
    """A policy that says nothing of use ends its episode by a budget, by stalling, or as finished."""
    for nonsense in ("", "\x00<", "<think>", "{}", "word " * 2000):
        await play(scaffold, ScriptedEpisode([nonsense]))


async def _check_keeps_no_state(scaffold: Scaffold, speak: Speak | Sequence[str | ModelReply]) -> None:
    alone = ScriptedEpisode(speak)
    await play(scaffold, alone)
    together = [ScriptedEpisode(speak), ScriptedEpisode(speak)]
    await asyncio.gather(*(play(scaffold, episode) for episode in together))
    for episode in together:
        if episode.asked != alone.asked or episode.actions != alone.actions:
            raise PluginError(
                f"scaffold {scaffold.name!r} keeps state between episodes: two at once differ from one alone"
            )
