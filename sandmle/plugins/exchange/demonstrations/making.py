"""What a foreign trajectory must become before it can be imitated: an episode of one of our tasks."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from sandmle.core.errors import UsageError
from sandmle.core.types.episode import Episode, Outcome, Timings
from sandmle.core.types.message import Usage
from sandmle.core.types.reward import RewardBreakdown
from sandmle.core.types.sandbox import IsolationLevel
from sandmle.core.types.score import Direction, Grade, Medal, Thresholds
from sandmle.core.types.trajectory import FeedbackMode, Segment, StopReason, Trajectory

IMPORTED = "imported"
"""Stands where a sandbox's name does: what ran elsewhere ran in none of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demonstration:
    """A conversation as read, and what is said of it."""

    where: str
    """File and line, for messages."""
    task_id: str | None
    scaffold: str
    model: str
    segments: tuple[Segment, ...]
    record: Mapping[str, Any] = field(default_factory=dict)
    """What an exporter of ours noted of the episode; empty for what others wrote."""


class _Read(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class _Thresholds(_Read):
    gold: float | None = None
    silver: float | None = None
    bronze: float | None = None
    median: float | None = None


class _Grade(_Read):
    valid: bool = True
    score: float | None = None
    public_score: float | None = None
    medal: Medal = Medal.NONE
    above_median: bool = False
    human_rank: float | None = None
    problem: str | None = None


class _Reward(_Read):
    preset: str
    total: float | None = None
    parts: dict[str, float | None] = {}
    weights: dict[str, float] = {}


class _Record(_Read):
    outcome: Outcome = Outcome.UNSCORED
    """Nobody said that it ended with a valid submission, so it is not claimed."""
    stop_reason: StopReason | None = None
    sandbox: str = IMPORTED
    level: IsolationLevel = IsolationLevel.L0
    feedback: FeedbackMode = FeedbackMode.VALIDATE_ONLY
    policy_version: int = 0
    grade: _Grade | None = None
    thresholds: _Thresholds = _Thresholds()
    direction: Direction = Direction.MAXIMIZE
    reward: _Reward | None = None
    attempts: int = 1
    failure: str | None = None
    started_at: str = ""


def episode_of(demonstration: Demonstration, task_id: str, slot: int) -> Episode:
    """The episode that a run directory records of it.

    Raises:
        UsageError: what is noted of it is not what our exporters write.
    """
    try:
        record = _Record.model_validate(dict(demonstration.record))
    except ValidationError as problem:
        first = problem.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise UsageError(f"{demonstration.where}: {place}: {first['msg']}") from None
    marks = record.thresholds
    return Episode(
        episode_id=f"{task_id}/{slot}",
        task_id=task_id,
        slot=slot,
        outcome=record.outcome,
        stop_reason=record.stop_reason,
        model=demonstration.model,
        scaffold=demonstration.scaffold,
        sandbox=record.sandbox,
        level=record.level,
        feedback=record.feedback,
        policy_version=record.policy_version,
        trajectory=Trajectory(segments=demonstration.segments, steps=()),
        grade=Grade(**record.grade.model_dump()) if record.grade else None,
        thresholds=Thresholds(
            gold=_number(marks.gold),
            silver=_number(marks.silver),
            bronze=_number(marks.bronze),
            median=_number(marks.median),
        ),
        direction=record.direction,
        reward=RewardBreakdown(**record.reward.model_dump()) if record.reward else None,
        usage=_usage(demonstration.segments),
        timings=Timings(),
        attempts=record.attempts,
        failure=record.failure,
        started_at=record.started_at,
    )


def text_of(content: str | Sequence[Mapping[str, Any]], where: str) -> str:
    """The text of a message's content, whose parts may be written apart.

    Raises:
        UsageError: a part is a picture or a sound.
    """
    if isinstance(content, str):
        return sound(content)
    parts = []
    for part in content:
        if part.get("type") != "text" or not isinstance(part.get("text"), str):
            raise UsageError(f"{where}: a message holds a part of type {part.get('type')!r}; only text is imported")
        parts.append(sound(part["text"]))
    return "\n".join(parts)


def text_in(path: Path) -> str:
    """What a file holds.

    Raises:
        UsageError: it is no regular file, cannot be read, or is not UTF-8; says at which line.
    """
    if not path.is_file():
        # A pipe could be read once only, and reading a device would never end.
        raise UsageError(f"{path} is not a regular file")
    try:
        content = path.read_bytes()
        return content.decode("utf-8-sig")
    except OSError as problem:
        raise UsageError(f"cannot read {path}: {problem.strerror}") from problem
    except UnicodeDecodeError as problem:
        line = content.count(b"\n", 0, problem.start) + 1
        raise UsageError(f"{path}, line {line}: cannot read it as UTF-8 text (byte {problem.start})") from problem


def sound(text: str) -> str:
    """The text without halves of surrogate pairs, which JSON can hold and no file can take."""
    return text.encode("utf-8", "replace").decode("utf-8")


def sound_json(text: str) -> bytes:
    """The same JSON without halves of surrogate pairs; text that is no JSON stays as it is."""
    try:
        return json.dumps(json.loads(text), ensure_ascii=False).encode("utf-8", "replace")
    except (ValueError, RecursionError):
        return text.encode("utf-8", "replace")


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _usage(segments: Sequence[Segment]) -> Usage:
    said = {
        entry.turn: entry.reply.usage for segment in segments for entry in segment.entries if entry.reply is not None
    }
    return Usage(
        prompt_tokens=sum(one.prompt_tokens for one in said.values()),
        completion_tokens=sum(one.completion_tokens for one in said.values()),
        cost_usd=math.fsum(one.cost_usd for one in said.values()),
    )
