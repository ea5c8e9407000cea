"""One rollout's full record, as written to `episodes.jsonl`."""

from dataclasses import dataclass
from enum import StrEnum

from sandmle.core.types.message import Usage
from sandmle.core.types.reward import RewardBreakdown
from sandmle.core.types.sandbox import IsolationLevel
from sandmle.core.types.score import Direction, Grade, Thresholds
from sandmle.core.types.trajectory import FeedbackMode, StopReason, Trajectory


class Outcome(StrEnum):
    """What an episode came to. Only the first two are the agent's doing and enter group statistics."""

    SCORED = "scored"
    """It ended with a valid submission."""
    UNSCORED = "unscored"
    """It ended without one."""
    INFRASTRUCTURE = "infrastructure"
    """The machinery failed on every try: left out of its group, never a reward of 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """Where the wall time of an episode went, in seconds."""

    llm_s: float = 0.0
    start_s: float = 0.0
    """Opening sessions."""
    run_s: float = 0.0
    """Running cells."""
    grade_s: float = 0.0
    """Fetching and grading submissions."""
    other_s: float = 0.0
    queue_s: float = 0.0
    """Waiting for a turn to start a session or to run a cell; counted against no deadline."""

    @property
    def total_s(self) -> float:
        return self.llm_s + self.start_s + self.run_s + self.grade_s + self.other_s + self.queue_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """Everything needed to read, re-score and train on one rollout."""

    episode_id: str
    """`<task_id>/<slot>`; unique within a run."""
    task_id: str
    slot: int
    """0..k-1 within the task's group."""
    outcome: Outcome
    stop_reason: StopReason | None
    """None for infrastructure outcomes."""
    model: str
    scaffold: str
    sandbox: str
    level: IsolationLevel
    feedback: FeedbackMode
    policy_version: int
    trajectory: Trajectory
    grade: Grade | None
    """Of the final submission: the last valid one, or the last invalid one when none was valid. None when
    there was no submission at all, or no outcome of the agent's."""
    thresholds: Thresholds
    direction: Direction
    reward: RewardBreakdown | None
    """None for infrastructure outcomes."""
    usage: Usage
    timings: Timings
    attempts: int
    """1 plus the infrastructure failures before this record."""
    failure: str | None
    """The last infrastructure error, for infrastructure outcomes."""
    started_at: str
    """ISO 8601, UTC."""
