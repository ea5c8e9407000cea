"""The episode as its scaffold sees it, with everything said and done through it recorded."""

import asyncio
import hashlib
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from sandmle.core.contracts.llm import ChatModel
from sandmle.core.contracts.scaffold import EpisodeLimits, EpisodeOver, TaskView
from sandmle.core.engine.budget import Budget, add_usage
from sandmle.core.engine.deadlines import deadline
from sandmle.core.engine.environment import NEED_SESSION, Environment
from sandmle.core.engine.own_time import BlockedError, OwnTime
from sandmle.core.engine.soundness import (
    check_action,
    check_messages,
    readable,
    readable_action,
    readable_messages,
)
from sandmle.core.engine.transcript import Transcript
from sandmle.core.errors import BudgetError, InfrastructureError, ProviderError
from sandmle.core.types.episode import Timings
from sandmle.core.types.message import Message, ModelReply, ReplyOptions, ToolSpec, Usage
from sandmle.core.types.score import Medal
from sandmle.core.types.trajectory import (
    Action,
    FeedbackMode,
    Observation,
    Step,
    StopReason,
    Trajectory,
)

LLM_BACKSTOP: Final = 4.0
"""The host waits this many times the deadline of one call, since a provider may try again within one reply."""
MAX_REFUSED: Final = 1000
"""Times a scaffold may ask or act in vain once its episode is over: many of its tasks may do so once."""
NO_ACTION: Final = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How the policy is sampled in every episode of a run."""

    rng_seed: int
    temperature: float
    max_tokens: int
    llm_timeout_s: float


def derived(rng_seed: int, *path: str | int) -> int:
    """A number in [0, 2^31) that depends on nothing but its arguments."""
    text = "/".join(map(str, (rng_seed, *path)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1


class RecordingContext:
    """Implements `EpisodeContext` over an environment and a model."""

    def __init__(
        self,
        *,
        view: TaskView,
        slot: int,
        environment: Environment,
        model: ChatModel,
        sampling: Sampling,
        limits: EpisodeLimits,
        feedback: FeedbackMode,
        opened_at: float,
        budget: Budget | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start the episode's time.

        Args:
            view: the task.
            slot: which of the task's episodes this is.
            environment: already reset.
            model: the policy.
            sampling: how it is sampled.
            limits: what the episode may use, from now on.
            feedback: what submissions tell.
            opened_at: when, by `clock`, the environment began to open; counts in the timings only.
            budget: the run's account; None keeps none.
            clock: seconds that only grow.
        """
        self._view = view
        self._slot = slot
        self._environment = environment
        self._model = model
        self._sampling = sampling
        self._limits = limits
        self._feedback = feedback
        self._budget = budget or Budget()
        self._clock = clock
        self._opened_at = opened_at
        self._began = clock()
        self._waited_before_s = self._waited_s()
        self._rng = random.Random(derived(sampling.rng_seed, view.task_id, slot, "scaffold"))
        self._transcript = Transcript()
        self._steps: list[Step] = []
        self._turns = 0
        self._llm_s = 0.0
        self._acting = asyncio.Lock()
        self._refused = 0
        self.own_time = OwnTime(self._own_remaining_s)
        self.usage = Usage()
        self.stop: StopReason | None = None
        """Why the episode is over; None while it goes on."""
        self.failure: InfrastructureError | BudgetError | None = None
        """What stopped the episode from outside, kept in case the scaffold swallows it."""
        self.last_action: str = NO_ACTION
        """Kind of the last action begun."""

    @property
    def task(self) -> TaskView:
        return self._view

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
        return max(0.0, self._remaining_s())

    async def ask(
        self, messages: Sequence[Message], *, stop: tuple[str, ...] = (), tools: tuple[ToolSpec, ...] = ()
    ) -> ModelReply:
        messages = tuple(messages)
        check_messages(messages)
        messages = readable_messages(messages)
        self._refuse_when_over()
        with self.own_time.standing_still():
            return await self._ask(messages, stop, tools)

    async def act(self, action: Action) -> Observation:
        check_action(action)
        self._refuse_when_over()
        with self.own_time.standing_still():
            async with self._acting:
                return _without_scores(await self._act(readable_action(action)))

    async def _ask(self, messages: Sequence[Message], stop: tuple[str, ...], tools: tuple[ToolSpec, ...]) -> ModelReply:
        if self._turns >= self._limits.max_turns:
            raise self._over(StopReason.MAX_TURNS)
        self._refuse_when_spent()
        turn = self._turns
        self._turns += 1
        options = ReplyOptions(
            temperature=self._sampling.temperature,
            max_tokens=self._sampling.max_tokens,
            stop=stop,
            sample_index=derived(self._sampling.rng_seed, self._view.task_id, self._slot, turn),
            tools=tools,
            timeout_s=self._sampling.llm_timeout_s,
        )
        conversation = self._transcript.with_own_ids(messages)
        began = self._clock()
        try:
            async with deadline(LLM_BACKSTOP * options.timeout_s, ProviderError, f"asking {self._model.name}"):
                reply = readable(await self._model.reply(conversation, options))
            self._budget.charge(self._view.task_id, self._slot, reply)
        except InfrastructureError as problem:
            self.failure = problem
            raise
        finally:
            self._llm_s += self._clock() - began
        if reply.finish_reason == "context":
            raise self._over(StopReason.CONTEXT)
        self._transcript.add(conversation, reply, turn)
        self.usage = add_usage(self.usage, reply.usage)
        return reply

    async def _act(self, action: Action) -> Observation:
        # Another act may have ended the episode while this one waited for its turn.
        self._refuse_when_over()
        try:
            if action.kind in NEED_SESSION:
                # What cannot be opened is no fault of the action that would come next.
                await self._environment.open()
            self.last_action = action.kind.value
            began = self._clock()
            result = await self._environment.step(action, self._remaining_s())
        except InfrastructureError as problem:
            self.failure = problem
            raise
        wall_s = self._clock() - began
        turn = max(0, self._turns - 1)
        self._steps.append(Step(action=action, observation=result.observation, turn=turn, wall_s=wall_s))
        if result.reason is not None:
            raise self._over(result.reason)
        return result.observation

    def end(self) -> StopReason:
        """Have nothing more be asked or done: the scaffold has returned, and may have left a task of its own behind."""
        self.stop = self.stop or StopReason.FINISHED
        return self.stop

    def trajectory(self) -> Trajectory:
        """What has been recorded so far."""
        return Trajectory(segments=self._transcript.segments, steps=tuple(self._steps))

    def timings(self) -> Timings:
        """Where the time since the environment began to open went."""
        spent = self._environment.seconds
        queue_s = self._environment.queue.seconds
        known = self._llm_s + sum(spent.values()) + queue_s
        return Timings(
            llm_s=self._llm_s,
            start_s=spent["start"],
            run_s=spent["run"],
            grade_s=spent["grade"],
            queue_s=queue_s,
            other_s=max(0.0, self._clock() - self._opened_at - known),
        )

    def _remaining_s(self) -> float:
        waited_s = self._waited_s() - self._waited_before_s
        return self._limits.episode_timeout_s - (self._clock() - self._began - waited_s)

    def _own_remaining_s(self) -> float:
        """What is left to a scaffold that neither asks nor acts: nothing, once its episode is over."""
        return 0.0 if self.stop is not None or self.failure is not None else self._remaining_s()

    def _waited_s(self) -> float:
        """For turns and for sessions to open, which is no doing of the episode's."""
        return self._environment.queue.seconds + self._environment.seconds["start"]

    def _refuse_when_over(self) -> None:
        if self.failure is not None or self.stop is not None:
            self._refused += 1
        if self._refused > MAX_REFUSED:
            # No exception that a careless scaffold catches: it would go on for ever, and nothing else would.
            raise BlockedError(
                f"it asked or acted {MAX_REFUSED} times after its episode was over; let EpisodeOver pass"
            )
        if self.failure is not None:
            raise self.failure
        if self.stop is not None:
            raise EpisodeOver(self.stop)
        if self._remaining_s() <= 0:
            raise self._over(StopReason.DEADLINE)

    def _refuse_when_spent(self) -> None:
        if self._budget.caps.episode.reached_by(self.usage) is not None:
            raise self._over(StopReason.BUDGET)
        try:
            self._budget.check(self._view.task_id)
        except BudgetError as problem:
            self.failure = problem
            raise

    def _over(self, reason: StopReason) -> EpisodeOver:
        self.stop = self.stop or reason
        return EpisodeOver(self.stop)


def _without_scores(seen: Observation) -> Observation:
    """What a scaffold is given: one that chose by hidden scores would be told more than its agent may know."""
    if seen.grade is None:
        return seen
    unscored = replace(
        seen.grade,
        score=None,
        public_score=None,
        medal=Medal.NONE,
        above_median=False,
        human_rank=None,
        report=None,
    )
    return replace(seen, grade=unscored)
