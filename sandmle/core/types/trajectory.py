"""What an agent did and saw: actions, observations, steps, and the transcript in exact segments."""

from dataclasses import dataclass
from enum import StrEnum

from sandmle.core.types.message import Message, ModelReply
from sandmle.core.types.sandbox import CellStatus
from sandmle.core.types.score import Grade


class ActionKind(StrEnum):
    """What an agent can do."""

    RUN_CODE = "run_code"
    """Run one cell in the session."""
    SUBMIT = "submit"
    """Have the current `submission.csv` looked at under the feedback mode."""
    FINISH = "finish"
    """Declare the work done."""
    INVALID = "invalid"
    """The reply held no action that could be read; the observation says what was expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One act of the agent."""

    kind: ActionKind
    code: str = ""
    """The cell, for `run_code`."""
    problem: str = ""
    """What was wrong with the reply, for `invalid`; becomes the observation."""


class FeedbackMode(StrEnum):
    """What a submission made during the episode tells the agent."""

    VALIDATE_ONLY = "validate_only"
    """Whether the format is valid, and why not. The default in evaluation."""
    PUBLIC_BOARD = "public_board"
    """Also the score on the public-board rows. The default in training."""
    FULL = "full"
    """Also the private score and every threshold, as the released SandMLE code gives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What the agent is shown in return."""

    text: str
    cell: CellStatus | None = None
    """How the cell ended, for `run_code`."""
    grade: Grade | None = None
    """The full verdict, for the record; only `text` reaches the agent, and its scaffold is told of validity alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One action executed and what came of it."""

    action: Action
    observation: Observation
    turn: int
    """Index of the turn, over the whole episode, whose reply held the action."""
    wall_s: float


class StopReason(StrEnum):
    """Why an episode ended. The first is termination by the agent; the rest are truncations."""

    FINISHED = "finished"
    MAX_TURNS = "max_turns"
    DEADLINE = "deadline"
    BUDGET = "budget"
    """The episode's own cap on tokens or money is reached."""
    CONTEXT = "context"
    """The conversation no longer fits the model's context."""
    SESSION_DIED = "session_died"
    """The agent's code ended its own session; scored as its last valid submission."""
    STALLED = "stalled"
    """Too many replies in a row without an action that could be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptEntry:
    """A message as it stood in the conversation; `reply` is there when the policy itself wrote it."""

    message: Message
    reply: ModelReply | None = None
    turn: int | None = None
    """Index of the turn that sampled it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A conversation that only grew. Editing the history (pruning, summarizing) begins a new segment."""

    entries: tuple[TranscriptEntry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trajectory:
    """The ordered record of one rollout."""

    segments: tuple[Segment, ...]
    steps: tuple[Step, ...]

    def replies(self) -> list[ModelReply]:
        """Every reply of the policy in the order sampled, each once."""
        seen: dict[int, ModelReply] = {}
        for segment in self.segments:
            for entry in segment.entries:
                if entry.reply is not None and entry.turn is not None:
                    seen.setdefault(entry.turn, entry.reply)
        return [seen[turn] for turn in sorted(seen)]
