"""ATIF documents as demonstrations. What an exporter of ours wrote under `extra.sandmle` comes back as it was."""

import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sandmle.core.errors import UsageError
from sandmle.core.types.message import Message, ModelReply, Reasoning, ToolCall, Usage
from sandmle.core.types.trajectory import Segment, TranscriptEntry
from sandmle.plugins.exchange.demonstrations.making import Demonstration, sound, sound_json, text_in, text_of


class _Read(BaseModel):
    # Later versions of ATIF add fields; what is not known here is none of our business.
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


Content = str | list[dict[str, Any]]


class _Agent(_Read):
    name: str
    model_name: str | None = None


class _ToolCall(_Read):
    tool_call_id: str
    function_name: str
    arguments: dict[str, Any]
    extra: dict[str, Any] | None = None


class _Result(_Read):
    source_call_id: str | None = None
    content: Content | None = None
    extra: dict[str, Any] | None = None


class _Observation(_Read):
    results: list[_Result]


class _Metrics(_Read):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost_usd: float | None = None
    prompt_token_ids: list[int] | None = None
    completion_token_ids: list[int] | None = None
    logprobs: list[float] | None = None
    extra: dict[str, Any] | None = None


class _Step(_Read):
    source: Literal["system", "user", "agent"]
    message: Content
    reasoning_content: str | None = None
    tool_calls: list[_ToolCall] | None = None
    observation: _Observation | None = None
    metrics: _Metrics | None = None
    is_copied_context: bool | None = None
    llm_call_count: int | None = None
    extra: dict[str, Any] | None = None

    def ours(self) -> dict[str, Any]:
        """What an exporter of ours noted."""
        found = (self.extra or {}).get("sandmle")
        return found if isinstance(found, dict) else {}


class _Document(_Read):
    schema_version: str = Field(pattern=r"^ATIF-v1\.")
    agent: _Agent
    steps: list[_Step] = Field(min_length=1)
    extra: dict[str, Any] | None = None


def read_atif(path: Path) -> Iterator[Demonstration]:
    """The trajectories of a file (one document, or one a line) or of every `.json` and `.jsonl` below a folder.

    Raises:
        UsageError: nothing is there, or something is no ATIF document; the message says where.
    """
    files = [path]
    if path.is_dir():
        files = sorted(one for one in path.rglob("*") if one.suffix in (".json", ".jsonl") and one.is_file())
    if not files:
        raise UsageError(f"{path} holds no .json or .jsonl file")
    for file in files:
        for where, text in _documents(file):
            yield _demonstration(_parsed(text, where), where)


def _documents(file: Path) -> Iterator[tuple[str, str]]:
    text = text_in(file)
    if file.suffix == ".jsonl":
        for number, line in enumerate(text.split("\n"), start=1):
            if line.strip():
                yield f"{file}, line {number}", line
    else:
        yield str(file), text


def _parsed(text: str, where: str) -> _Document:
    try:
        return _Document.model_validate_json(sound_json(text))
    except ValidationError as problem:
        first = problem.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the document"
        raise UsageError(f"{where}: no ATIF trajectory: {place}: {first['msg']}") from None


def _demonstration(document: _Document, where: str) -> Demonstration:
    about = (document.extra or {}).get("sandmle")
    record = about if isinstance(about, dict) else {}
    segments, turn = [], 0
    for _, group in groupby(document.steps, key=lambda step: step.ours().get("segment", 0)):
        steps = list(group)
        segments.append(Segment(entries=tuple(_entries(steps, turn, where))))
        turn += len(steps)
    return Demonstration(
        where=where,
        task_id=str(record["task_id"]) if "task_id" in record else None,
        scaffold=document.agent.name,
        model=document.agent.model_name or "unknown",
        segments=tuple(segments),
        record=record,
    )


def _entries(steps: Sequence[_Step], turn: int, where: str) -> Iterator[TranscriptEntry]:
    for number, step in enumerate(steps):
        text = text_of(step.message, where)
        if step.source != "agent":
            yield TranscriptEntry(message=Message(role=step.source, content=text))
            continue
        calls = tuple(map(_call, step.tool_calls or ()))
        reasoning = Reasoning(text=sound(step.reasoning_content)) if step.reasoning_content else None
        # A copied step was learned from where it first stood, and with no call of a model nothing was said.
        spoken = step.llm_call_count != 0 and not (step.is_copied_context and "turn" not in step.ours())
        _refuse_odd_ids(step.metrics, where)
        reply = _reply(step, text, calls, reasoning) if spoken else None
        message = Message(
            role="assistant",
            content=text,
            tool_calls=calls,
            reasoning=reasoning,
            token_ids=reply.sampled_ids if reply else None,
        )
        noted = step.ours().get("turn")
        at = noted if isinstance(noted, int) else turn + number
        yield TranscriptEntry(message=message, reply=reply, turn=at if reply else None)
        yield from _answers(step, calls, where)


def _call(call: _ToolCall) -> ToolCall:
    written = (call.extra or {}).get("arguments_text")
    arguments = written if isinstance(written, str) else json.dumps(call.arguments)
    return ToolCall(call_id=sound(call.tool_call_id), name=sound(call.function_name), arguments=sound(arguments))


def _reply(step: _Step, text: str, calls: tuple[ToolCall, ...], reasoning: Reasoning | None) -> ModelReply:
    metrics = step.metrics or _Metrics()
    finish = (metrics.extra or {}).get("finish_reason")
    usage = Usage(
        prompt_tokens=metrics.prompt_tokens or 0,
        completion_tokens=metrics.completion_tokens or 0,
        cost_usd=metrics.cost_usd or 0.0,
    )
    return ModelReply(
        text=text,
        tool_calls=calls,
        reasoning=reasoning,
        finish_reason=finish if isinstance(finish, str) else "stop",
        usage=usage,
        prompt_ids=_ids(metrics.prompt_token_ids),
        sampled_ids=_ids(metrics.completion_token_ids),
        # Of tokens that nobody names they say nothing.
        log_probs=tuple(metrics.logprobs) if metrics.logprobs is not None and metrics.completion_token_ids else None,
    )


def _refuse_odd_ids(metrics: _Metrics | None, where: str) -> None:
    if metrics is None:
        return
    ids = [*(metrics.prompt_token_ids or ()), *(metrics.completion_token_ids or ())]
    if any(one < 0 for one in ids):
        raise UsageError(f"{where}: no ATIF trajectory: a token id is negative")
    sampled, log_probs = metrics.completion_token_ids, metrics.logprobs
    if sampled is not None and log_probs is not None and len(sampled) != len(log_probs):
        sizes = f"{len(log_probs)} logprobs for {len(sampled)} completion_token_ids"
        raise UsageError(f"{where}: no ATIF trajectory: a step has {sizes}")


def _ids(ids: list[int] | None) -> tuple[int, ...] | None:
    return tuple(ids) if ids is not None else None


def _answers(step: _Step, calls: tuple[ToolCall, ...], where: str) -> Iterator[TranscriptEntry]:
    for result in step.observation.results if step.observation else ():
        if result.content is None:
            continue
        text = text_of(result.content, where)
        noted = result.source_call_id or (result.extra or {}).get("tool_call_id")
        if isinstance(noted, str):
            yield TranscriptEntry(message=Message(role="tool", content=text, tool_call_id=noted))
        elif len(calls) == 1:
            yield TranscriptEntry(message=Message(role="tool", content=text, tool_call_id=calls[0].call_id))
        else:
            # Nothing was called natively: what came of the text is what the agent was told next.
            yield TranscriptEntry(message=Message(role="user", content=text))
