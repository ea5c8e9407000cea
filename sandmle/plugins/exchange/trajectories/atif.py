"""Episodes as ATIF, the trajectory format of Harbor (its RFC 0001). Pure.

A message is a step: what the policy said is the agent's, a native tool's answer is the observation of the step that
called it. What ATIF has no field for stands under `extra.sandmle`, so that an episode comes back whole. An episode
whose history was edited has several segments: what a later one repeats is marked `is_copied_context`, which tells
trainers to leave it out.
"""

import json
from dataclasses import asdict
from importlib.metadata import version
from typing import Any, Final

from sandmle.core.engine.summary import json_ready
from sandmle.core.types.episode import Episode
from sandmle.core.types.message import Message, ModelReply, ToolCall
from sandmle.core.types.trajectory import Step, TranscriptEntry
from sandmle.plugins.exchange.trajectories.selecting import Chosen

SCHEMA_VERSION: Final = "ATIF-v1.7"
"""The oldest version with every field that is written here, for the sake of older readers."""

Json = dict[str, Any]


def atif_trajectory(chosen: Chosen, *, ids: bool) -> Json:
    """One episode as one ATIF document.

    Args:
        chosen: an episode in which something was said, and its run.
        ids: write prompt ids, sampled ids and log-probs of every reply that has them.
    """
    episode = chosen.episode
    document = {
        "schema_version": SCHEMA_VERSION,
        "session_id": chosen.run,
        "trajectory_id": episode.episode_id,
        "agent": {"name": episode.scaffold, "version": version("sandmle"), "model_name": episode.model},
        "steps": _steps(episode, ids=ids),
        "final_metrics": {
            "total_prompt_tokens": episode.usage.prompt_tokens,
            "total_completion_tokens": episode.usage.completion_tokens,
            "total_cost_usd": episode.usage.cost_usd,
        },
        "extra": {"sandmle": _record(episode)},
    }
    ready: Json = json_ready(document)
    ready["final_metrics"]["total_steps"] = len(ready["steps"])
    return ready


def _record(episode: Episode) -> Json:
    """Everything of an episode but its conversation and what was run."""
    known = ("task_id", "slot", "outcome", "stop_reason", "sandbox", "level", "feedback", "policy_version")
    return {
        **{name: getattr(episode, name) for name in known},
        "grade": asdict(episode.grade) if episode.grade else None,
        "thresholds": asdict(episode.thresholds),
        "direction": episode.direction,
        "reward": asdict(episode.reward) if episode.reward else None,
        "timings": asdict(episode.timings),
        "attempts": episode.attempts,
        "failure": episode.failure,
        "started_at": episode.started_at,
    }


def _steps(episode: Episode, *, ids: bool) -> list[Json]:
    made: list[Json] = []
    acted = {step.turn: step for step in episode.trajectory.steps}
    turns_seen: set[int] = set()
    for number, segment in enumerate(episode.trajectory.segments):
        earlier = {_key(entry) for one in episode.trajectory.segments[:number] for entry in one.entries}
        caller: Json | None = None
        for entry in segment.entries:
            copied = entry.turn in turns_seen if entry.turn is not None else _key(entry) in earlier
            if entry.turn is not None:
                turns_seen.add(entry.turn)
            if entry.message.role == "tool" and caller is not None:
                _answer(caller, entry.message)
                continue
            step = _step(entry, episode, acted, ids=ids)
            step["step_id"] = len(made) + 1
            step["extra"]["sandmle"]["segment"] = number
            if copied:
                step["is_copied_context"] = True
            made.append(step)
            caller = step if entry.message.role == "assistant" else None
    if made:
        made[0]["timestamp"] = episode.started_at
    return made


def _key(entry: TranscriptEntry) -> tuple[str, str, str | None]:
    return entry.message.role, entry.message.content, entry.message.tool_call_id


def _step(entry: TranscriptEntry, episode: Episode, acted: dict[int, Step], *, ids: bool) -> Json:
    message = entry.message
    about: Json = {}
    step: Json = {"step_id": 0, "message": message.content, "extra": {"sandmle": about}}
    if message.role != "assistant":
        # ATIF knows no tool's turn: an answer to no call of the step before is a user's.
        step["source"] = "system" if message.role == "system" else "user"
        return step
    step |= {"source": "agent", "model_name": episode.model, "llm_call_count": 1 if entry.reply else 0}
    if message.tool_calls:
        step["tool_calls"] = [_call(call) for call in message.tool_calls]
    if entry.reply is not None and entry.turn is not None:
        about["turn"] = entry.turn
        step["metrics"] = _metrics(entry.reply, ids=ids)
        if message.reasoning is not None:
            step["reasoning_content"] = message.reasoning.text
        if entry.turn in acted:
            action, observation = acted[entry.turn].action, acted[entry.turn].observation
            about |= {"action": action.kind, "cell": observation.cell}
    return step


def _metrics(reply: ModelReply, *, ids: bool) -> Json:
    metrics: Json = {
        "prompt_tokens": reply.usage.prompt_tokens,
        "completion_tokens": reply.usage.completion_tokens,
        "cost_usd": reply.usage.cost_usd,
        "extra": {"finish_reason": reply.finish_reason},
    }
    if ids and reply.sampled_ids is not None:
        metrics["completion_token_ids"] = list(reply.sampled_ids)
        if reply.prompt_ids is not None:
            metrics["prompt_token_ids"] = list(reply.prompt_ids)
        if reply.log_probs is not None:
            metrics["logprobs"] = list(reply.log_probs)
    return metrics


def _call(call: ToolCall) -> Json:
    made: Json = {"tool_call_id": call.call_id, "function_name": call.name, "arguments": {}}
    try:
        arguments = json.loads(call.arguments)
    except (ValueError, RecursionError):
        arguments = None
    if isinstance(arguments, dict):
        made["arguments"] = arguments
    if json.dumps(made["arguments"]) != call.arguments:
        # ATIF wants an object, and the model may have written anything, in any spacing.
        made["extra"] = {"arguments_text": call.arguments}
    return made


def _answer(caller: Json, message: Message) -> None:
    result: Json = {"content": message.content}
    if message.tool_call_id in {call["tool_call_id"] for call in caller.get("tool_calls", ())}:
        result["source_call_id"] = message.tool_call_id
    elif message.tool_call_id is not None:
        result["extra"] = {"tool_call_id": message.tool_call_id}
    caller.setdefault("observation", {"results": []})["results"].append(result)
