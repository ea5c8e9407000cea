"""Finished episodes of every sort, for suites and tests of what judges them. Shipped to plugin authors."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from sandmle.core.types.episode import Episode, Outcome, Timings
from sandmle.core.types.message import Message, ModelReply, Usage
from sandmle.core.types.sandbox import CellStatus, IsolationLevel
from sandmle.core.types.score import Direction, Grade, Medal, Thresholds
from sandmle.core.types.trajectory import (
    Action,
    ActionKind,
    FeedbackMode,
    Observation,
    Segment,
    Step,
    StopReason,
    Trajectory,
    TranscriptEntry,
)

THRESHOLDS: Final = Thresholds(gold=0.9, silver=0.8, bronze=0.7, median=0.6)
STEP_S: Final = 1.5


def sample_episodes() -> tuple[Episode, ...]:
    """Episodes an agent finished: with each medal and none, invalid, without a submission, dead, stalled, silent."""
    run, bad, submit = Action(kind=ActionKind.RUN_CODE, code="print(1)"), CellStatus.ERROR, _graded(0.95)
    finish = Step(action=Action(kind=ActionKind.FINISH), observation=Observation(text=""), turn=2, wall_s=0.0)
    medals = [
        sample_episode((_step(run), submit, finish), grade=_grade(score), stop=StopReason.FINISHED)
        for score in (0.95, 0.85, 0.75, 0.65, 0.2)
    ]
    invalid = Grade(
        valid=False,
        score=None,
        public_score=None,
        medal=Medal.NONE,
        above_median=False,
        human_rank=None,
        problem="the column `ripe` is missing",
    )
    unread = Action(kind=ActionKind.INVALID, problem="Nothing was done.")
    return (
        *medals,
        sample_episode((_step(run), _step(run, bad), finish), grade=invalid, stop=StopReason.FINISHED),
        sample_episode((_step(run),) * 6, grade=None, stop=StopReason.MAX_TURNS),
        sample_episode((_step(run, CellStatus.DIED),), grade=None, stop=StopReason.SESSION_DIED),
        sample_episode((_step(run, CellStatus.TIMEOUT),), grade=_grade(0.75), stop=StopReason.SESSION_DIED),
        sample_episode((_step(unread),) * 3, grade=None, stop=StopReason.STALLED),
        sample_episode((), grade=None, stop=StopReason.DEADLINE),
    )


def sample_episode(steps: Sequence[Step], *, grade: Grade | None, stop: StopReason, slot: int = 0) -> Episode:
    """One episode in which the policy said one thing before each of `steps`."""
    entries: list[TranscriptEntry] = [TranscriptEntry(message=Message(role="user", content="Predict `ripe`."))]
    for turn, step in enumerate(steps):
        reply = ModelReply(
            text=f"<think>so</think>{step.action.code}", usage=Usage(prompt_tokens=10, completion_tokens=5)
        )
        answer = Message(role="assistant", content=reply.text)
        entries += [
            TranscriptEntry(message=answer, reply=reply, turn=turn),
            TranscriptEntry(message=Message(role="user", content=step.observation.text)),
        ]
    steps = tuple(replace(step, turn=turn) for turn, step in enumerate(steps))
    outcome = Outcome.SCORED if grade is not None and grade.valid else Outcome.UNSCORED
    return Episode(
        episode_id=f"sample-orchard/{slot}",
        task_id="sample-orchard",
        slot=slot,
        outcome=outcome,
        stop_reason=stop,
        model="scripted/model",
        scaffold="scripted",
        sandbox="process",
        level=IsolationLevel.L2,
        feedback=FeedbackMode.PUBLIC_BOARD,
        policy_version=0,
        trajectory=Trajectory(segments=(Segment(entries=tuple(entries)),) if steps else (), steps=steps),
        grade=grade,
        thresholds=THRESHOLDS,
        direction=Direction.MAXIMIZE,
        reward=None,
        usage=Usage(prompt_tokens=10 * len(steps), completion_tokens=5 * len(steps)),
        timings=Timings(llm_s=float(len(steps)), run_s=STEP_S * len(steps)),
        attempts=1,
        failure=None,
        started_at="2026-01-01T00:00:00+00:00",
    )


def _step(action: Action, cell: CellStatus = CellStatus.OK) -> Step:
    seen = action.problem or ("1" if cell is CellStatus.OK else "Traceback (most recent call last)")
    ended = cell if action.kind is ActionKind.RUN_CODE else None
    return Step(action=action, observation=Observation(text=seen, cell=ended), turn=0, wall_s=STEP_S)


def _graded(score: float) -> Step:
    seen = Observation(text="The submission is valid.", grade=_grade(score))
    return Step(action=Action(kind=ActionKind.SUBMIT), observation=seen, turn=1, wall_s=STEP_S)


def _grade(score: float) -> Grade:
    steps = ((THRESHOLDS.gold, Medal.GOLD), (THRESHOLDS.silver, Medal.SILVER), (THRESHOLDS.bronze, Medal.BRONZE))
    return Grade(
        valid=True,
        score=score,
        public_score=score,
        medal=next((medal for least, medal in steps if score >= least), Medal.NONE),
        above_median=score > THRESHOLDS.median,
        human_rank=score,
        problem=None,
    )
