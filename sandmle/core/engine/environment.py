"""One task as a world to act in: a session in the sandbox, a grader outside it, and rules on what is told.

The words are Gymnasium's: `reset`, `step`, terminated (ended by the agent), truncated (ended by a budget).
A score comes from the grader's typed verdict on the bytes of the submission file, never from any text.
"""

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Final

from sandmle.core.contracts.grader import Grader
from sandmle.core.contracts.sandbox import DATA_DIR, Sandbox, SandboxSession
from sandmle.core.contracts.scaffold import EpisodeLimits, TaskView
from sandmle.core.engine.deadlines import deadline, see_through
from sandmle.core.engine.feedback import Feedback
from sandmle.core.engine.leases import Leases, Queue
from sandmle.core.engine.submitting import SUBMISSION, Submissions
from sandmle.core.engine.tasks import Task
from sandmle.core.errors import SandboxError, boundary
from sandmle.core.types.sandbox import CellResult, CellStatus, SandboxLimits
from sandmle.core.types.score import Grade
from sandmle.core.types.trajectory import Action, ActionKind, FeedbackMode, Observation, StopReason

NEED_SESSION: Final = frozenset({ActionKind.RUN_CODE, ActionKind.SUBMIT})
"""Actions that take place in the sandbox."""
MAX_RESTARTS: Final = 3
"""Sessions an episode may lose to cell timeouts and get a new one for."""

_DESCRIPTIONS: Final = ("description.md", "description.txt")
"""As MLE-bench and MLE-Dojo name the copy among the public files."""

# Seconds the host waits beyond what it granted; running out of one is the infrastructure's failure.
OPEN_DEADLINE_S: Final = 120.0
RUN_GRACE_S: Final = 180.0
HEALTH_DEADLINE_S: Final = 300.0
CLOSE_DEADLINE_S: Final = 180.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """What one action came to."""

    observation: Observation
    terminated: bool = False
    """The agent ended the episode."""
    truncated: bool = False
    """A budget ran out or the session is dead."""
    reason: StopReason | None = None
    """Why, when either is set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What holds in every episode of a run."""

    feedback: FeedbackMode
    limits: EpisodeLimits
    sandbox_limits: SandboxLimits = field(default_factory=SandboxLimits)
    withheld: frozenset[ActionKind] = frozenset()
    """Actions that are not offered: trying one does nothing, and says so."""


class Environment:
    """One episode's world. Used as `async with`; leaving the block ends the session."""

    def __init__(
        self, *, task: Task, sandbox: Sandbox, grader: Grader, rules: Rules, leases: Leases | None = None
    ) -> None:
        """Open nothing yet.

        Args:
            task: What is played.
            sandbox: Started.
            grader: Judges submissions outside of it.
            rules: What holds in every episode.
            leases: The turns that this episode shares with others; by default it is alone.
        """
        self._task = task
        self._sandbox = sandbox
        self._grader = grader
        self._rules = rules
        self._submissions = self._no_submissions()
        self._session: SandboxSession | None = None
        self._opening: asyncio.Task[None] | None = None
        self._is_going_on = False
        self._stack = AsyncExitStack()
        self._restarts = 0
        self._leases = leases or Leases()
        self.queue = Queue()
        """Waits for a turn; counted in no other time."""
        self.seconds: dict[str, float] = {"start": 0.0, "run": 0.0, "grade": 0.0}
        """Where the time went, as in `Timings`."""

    async def __aenter__(self) -> "Environment":
        return self

    async def __aexit__(self, kind: object, problem: BaseException | None, trace: object) -> None:
        try:
            await self.close()
        except SandboxError as later:
            # What went wrong first is what is told: a cancellation that became a failure would be tried again.
            if problem is None:
                raise
            log.warning("%s", later)

    async def reset(self) -> TaskView:
        """Begin anew: no session yet, and no submission.

        Raises:
            SandboxError: the session there was cannot be closed.
        """
        await self.close()
        self._restarts, self._submissions = 0, self._no_submissions()
        self._is_going_on = True
        return view_of(self._task)

    def open_ahead(self) -> None:
        """Begin to open a session, so that it is there when the agent has thought. A failure is told by `open()`."""
        if self._is_going_on and self._session is None and self._opening is None:
            # While the agent thinks, waiting for a turn and for the session is waited for by nobody.
            self._opening = asyncio.create_task(self._open_session(Queue(), {"start": 0.0}))

    async def open(self) -> None:
        """Have a session. Every action that needs one sees to this itself.

        Raises:
            SandboxError: no session can be had.
        """
        if not self._is_going_on:
            raise RuntimeError("the environment has no session: call reset() first, and step() no more once it is over")
        if self._opening is not None:
            try:
                with _clock(self.seconds, "start"):
                    await self._opening
            finally:
                self._opening = None
        elif self._session is None:
            await self._open_session(self.queue, self.seconds)

    async def step(self, action: Action, timeout_s: float | None = None) -> StepResult:
        """Execute one action.

        Args:
            action: what to do.
            timeout_s: seconds left to the episode; a cell gets at most that.

        Raises:
            SandboxError: the sandbox failed.
            GraderError: the grader failed.
        """
        if action.kind in self._rules.withheld:
            return StepResult(observation=Observation(text=f"This environment does not offer {action.kind.value!r}."))
        match action.kind:
            case ActionKind.RUN_CODE:
                return await self._run(action.code, timeout_s)
            case ActionKind.SUBMIT:
                return await self.submit()
            case ActionKind.FINISH:
                over = Observation(text="The episode is over.")
                return StepResult(observation=over, terminated=True, reason=StopReason.FINISHED)
            case ActionKind.INVALID:
                return StepResult(observation=Observation(text=action.problem))

    async def submit(self) -> StepResult:
        """Grade the `submission.csv` that stands in the work directory; tell what the mode allows.

        Raises:
            SandboxError: the sandbox failed.
            GraderError: the grader failed.
        """
        session = await self._opened()
        with _clock(self.seconds, "grade"):
            return StepResult(observation=await self._submissions.take(session))

    async def conclude(self) -> Grade | None:
        """End the session and give the final verdict: of the last valid submission, else of the last one.

        A `submission.csv` that was left in place without being submitted counts as submitted last.
        None when there never was one.

        Raises:
            SandboxError: the sandbox failed.
            GraderError: the grader failed.
        """
        await self._retire_session()
        return self._submissions.final

    async def close(self) -> None:
        """End the session whatever its state. Idempotent; not cut short by cancellation."""
        opening, self._opening = self._opening, None
        self._session, self._is_going_on = None, False
        with boundary(SandboxError, f"closing a session of sandbox {self._sandbox.name!r}"):
            await see_through(self._let_go(opening), CLOSE_DEADLINE_S)

    async def _run(self, code: str, timeout_s: float | None) -> StepResult:
        session = await self._opened()
        granted = self._rules.limits.cell_timeout_s
        allowed = granted if timeout_s is None else max(0.0, min(granted, timeout_s))
        doing = f"running a cell in sandbox {self._sandbox.name!r}"
        async with self.queue.turn(self._leases.cells):
            with _clock(self.seconds, "run"):
                async with deadline(allowed + RUN_GRACE_S, SandboxError, doing):
                    result = await session.run(code, allowed)
        text = _shown(result)
        match result.status:
            case CellStatus.DIED:
                return await self._after_death(text)
            case CellStatus.TIMEOUT:
                return await self._after_timeout(text, allowed, out_of_time=allowed < granted)
            case _:
                return StepResult(observation=Observation(text=text, cell=result.status))

    async def _after_death(self, text: str) -> StepResult:
        # Whose act was it? Were it enough to die for an episode to be left out of its group, a policy
        # would learn to die when it is losing: only a canary that fails too takes the blame off the agent.
        async with deadline(HEALTH_DEADLINE_S, SandboxError, f"the canary of sandbox {self._sandbox.name!r}"):
            await self._sandbox.check_health()
        await self._retire_session()
        text += "\nThe session has died: the code ended its own process or used too much memory. The episode is over."
        return StepResult(
            observation=Observation(text=text, cell=CellStatus.DIED), truncated=True, reason=StopReason.SESSION_DIED
        )

    async def _after_timeout(self, text: str, allowed: float, *, out_of_time: bool) -> StepResult:
        await self._retire_session()
        text += f"\nThe cell was stopped after {allowed:.3g} seconds."
        if out_of_time:
            observation = Observation(text=text + " No time is left.", cell=CellStatus.TIMEOUT)
            return StepResult(observation=observation, truncated=True, reason=StopReason.DEADLINE)
        if self._restarts >= MAX_RESTARTS:
            text += f" That was timeout number {MAX_RESTARTS + 1}: the episode is over."
            observation = Observation(text=text, cell=CellStatus.TIMEOUT)
            return StepResult(observation=observation, truncated=True, reason=StopReason.SESSION_DIED)
        self._restarts += 1
        self._is_going_on = True
        await self.open()
        text += (
            " A new session has been started: all variables and all files you wrote are gone. "
            f"A {SUBMISSION} that stood there has been kept as submitted. "
            f"This can happen {MAX_RESTARTS - self._restarts} more times."
        )
        return StepResult(observation=Observation(text=text, cell=CellStatus.TIMEOUT))

    async def _let_go(self, opening: asyncio.Task[None] | None) -> None:
        """End the session, or the opening of one that nobody has waited for, whatever that would have come to."""
        if opening is not None:
            opening.cancel()
            await asyncio.gather(opening, return_exceptions=True)
            self._session = None
        await self._stack.pop_all().aclose()

    async def _open_session(self, queue: Queue, seconds: dict[str, float]) -> None:
        doing = f"opening a session in sandbox {self._sandbox.name!r}"
        async with queue.turn(self._leases.starts):
            with _clock(seconds, "start"):
                async with deadline(OPEN_DEADLINE_S, SandboxError, doing):
                    session = self._sandbox.session(
                        public_dir=self._task.layout.public, limits=self._rules.sandbox_limits
                    )
                    self._session = await self._stack.enter_async_context(session)

    async def _retire_session(self) -> None:
        """End the session, look at the submission that stands in it, and let it go."""
        if self._session is None:
            return
        # Whatever still runs is killed first, so that nobody writes while the file is read.
        async with deadline(CLOSE_DEADLINE_S, SandboxError, f"ending a session of sandbox {self._sandbox.name!r}"):
            await self._session.end()
        with _clock(self.seconds, "grade"):
            await self._submissions.collect(self._session)
        await self.close()

    def _no_submissions(self) -> Submissions:
        limits, spec = self._rules.limits, self._task.spec
        feedback = Feedback(spec=spec, mode=self._rules.feedback, cap=limits.max_scored_submissions)
        return Submissions(task=self._task, grader=self._grader, feedback=feedback)

    async def _opened(self) -> SandboxSession:
        await self.open()
        assert self._session is not None
        return self._session


@contextmanager
def _clock(seconds: dict[str, float], name: str) -> Iterator[None]:
    began = time.monotonic()
    try:
        yield
    finally:
        seconds[name] += time.monotonic() - began


def view_of(task: Task) -> TaskView:
    """The public side of a task: its description, and the files as agent code sees them.

    A competition's files hold the description once more, which is not listed: the agent has read it.
    """
    files = []
    told = _DESCRIPTIONS if task.spec.provenance.origin == "competition" else ()
    for path in sorted(task.layout.public.iterdir()):
        if path.name in told:
            continue
        if path.is_dir():
            count = sum(1 for one in path.rglob("*") if one.is_file())
            files.append(f"{DATA_DIR}/{path.name}/ ({count} files)")
        else:
            files.append(f"{DATA_DIR}/{path.name}")
    return TaskView(task_id=task.spec.task_id, description=task.description, files=tuple(files))


def _shown(result: CellResult) -> str:
    parts = [part.rstrip("\n") for part in (result.stdout, result.stderr) if part.strip()]
    if result.status is CellStatus.ERROR and not result.stderr.strip():
        parts.append("The cell raised an error.")
    return "\n".join(parts) or ("(no output)" if result.status is CellStatus.OK else "")
