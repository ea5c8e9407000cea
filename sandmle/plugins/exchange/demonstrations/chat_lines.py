"""Chat JSONL of OpenAI's form as demonstrations: a list `messages` a line, as fine-tuning files have it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sandmle.core.errors import UsageError
from sandmle.core.types.message import Message, ModelReply, Reasoning, ToolCall
from sandmle.core.types.trajectory import Segment, TranscriptEntry
from sandmle.plugins.exchange.demonstrations.making import Demonstration, sound, sound_json, text_in, text_of


class _Read(BaseModel):
    # Other tools put columns of their own beside `messages`.
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class _Function(_Read):
    name: str
    arguments: str | dict[str, Any]
    """The API writes text; those who fill chat templates write the object itself."""


class _Call(_Read):
    id: str = ""
    function: _Function


class _Message(_Read):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[dict[str, Any]] | None = None
    reasoning_content: str | None = None
    tool_calls: list[_Call] | None = None
    tool_call_id: str | None = None
    weight: float | None = None
    """Of an assistant's message: 0 says that it is not to be learned."""


class _Line(_Read):
    messages: list[_Message] = Field(min_length=1)
    task_id: str | None = None
    model: str | None = None
    scaffold: str | None = None
    outcome: str | None = None
    medal: str | None = None
    score: float | None = None
    human_rank: float | None = None
    reward: float | None = None
    reward_preset: str | None = None


def read_chat(path: Path) -> Iterator[Demonstration]:
    """The conversations of a JSONL file, one a line.

    Raises:
        UsageError: the file cannot be read, or a line is no conversation with something to learn; says where.
    """
    for number, line in enumerate(text_in(path).split("\n"), start=1):
        if line.strip():
            where = f"{path}, line {number}"
            yield _demonstration(_parsed(line, where), where)


def _parsed(line: str, where: str) -> _Line:
    try:
        return _Line.model_validate_json(sound_json(line))
    except ValidationError as problem:
        first = problem.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the line"
        raise UsageError(f"{where}: no chat line: {place}: {first['msg']}") from None


def _demonstration(line: _Line, where: str) -> Demonstration:
    entries = tuple(_entry(message, turn, where) for turn, message in enumerate(line.messages))
    grade = {"medal": line.medal or "none", "score": line.score, "human_rank": line.human_rank}
    record: dict[str, Any] = {}
    if line.outcome is not None:
        record["outcome"] = line.outcome
        record["grade"] = grade if line.outcome == "scored" and line.score is not None else None
    if line.reward is not None:
        record["reward"] = {"preset": line.reward_preset or "imported", "total": line.reward}
    return Demonstration(
        where=where,
        task_id=line.task_id,
        scaffold=line.scaffold or "unknown",
        model=line.model or "unknown",
        segments=(Segment(entries=entries),),
        record=record,
    )


def _entry(message: _Message, turn: int, where: str) -> TranscriptEntry:
    text = "" if message.content is None else text_of(message.content, where)
    if message.role != "assistant":
        role: Literal["system", "user", "tool"] = "system" if message.role == "developer" else message.role
        return TranscriptEntry(message=Message(role=role, content=text, tool_call_id=message.tool_call_id))
    calls = tuple(
        ToolCall(call_id=sound(one.id), name=sound(one.function.name), arguments=_arguments(one.function.arguments))
        for one in message.tool_calls or ()
    )
    reasoning = Reasoning(text=sound(message.reasoning_content)) if message.reasoning_content else None
    said = Message(role="assistant", content=text, tool_calls=calls, reasoning=reasoning)
    if message.weight == 0:
        return TranscriptEntry(message=said)
    return TranscriptEntry(message=said, reply=ModelReply(text=text, tool_calls=calls, reasoning=reasoning), turn=turn)


def _arguments(written: str | dict[str, Any]) -> str:
    return sound(written if isinstance(written, str) else json.dumps(written, ensure_ascii=False))
