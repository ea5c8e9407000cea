"""What happened, one frozen dataclass per event. Adding a field breaks nobody."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """The parent of all events; its class name is the event's name in `events.jsonl`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftFinished(Event):
    """A draft was accepted as a task, or rejected."""

    index: int
    task_id: str | None
    """None when rejected."""
    check: str | None
    """The name of the check (or `role:NAME`) that rejected it; None when accepted."""
    detail: str
    accepted: int
    """Tasks accepted so far."""
    wanted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(Event):
    run_id: str
    episodes: int
    """Episodes the run will hold when complete."""
    done: int
    """Of which an earlier start has finished already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelLowered(Event):
    """The sandbox of a run isolates less strongly than it was asked to."""

    run_id: str
    sandbox: str
    level: str
    """What it reached."""
    reasons: Sequence[str]
    """Of each stronger level, why it was not had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeFinished(Event):
    run_id: str
    task_id: str
    slot: int
    outcome: str
    medal: str
    reward: float | None
    wall_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class InfrastructureFailed(Event):
    """An attempt at a slot failed through no act of the agent and will be retried or left out."""

    run_id: str
    task_id: str
    slot: int
    attempt: int
    error: str
    after: str
    """The kind of action before the failure (`none` when the episode had not begun)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetReached(Event):
    """A cap on tokens or money stopped the run, or one task of it."""

    run_id: str
    scope: str
    """`run`, or the id of the task."""
    problem: str
    """What is spent of what, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished(Event):
    run_id: str
    episodes: int
    infrastructure: int
    """Slots left out after their retries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainStepFinished(Event):
    """A training made a step, or an evaluation. An epoch of imitation in one process is a step."""

    run_id: str
    kind: str
    """`step` or `evaluation`."""
    step: int
    steps: int
    """Steps the training will have when complete."""
    figures: Mapping[str, float]
    """The numbers of the step's line of `metrics.jsonl` or `evaluations.jsonl`, by the trainer's own names."""
