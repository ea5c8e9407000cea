"""Conversations as lines of chat JSONL. Pure."""

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from sandmle.core.types.trajectory import TranscriptEntry
from sandmle.plugins.exchange.trajectories.conversations import Conversation, chat_message, exact_columns

_SHAREGPT_SPEAKERS: Final = {"system": "system", "user": "human", "assistant": "gpt", "tool": "observation"}


def sft_record(conversation: Conversation) -> dict[str, Any]:
    """A line with `messages`; the last is the assistant's, as OpenRLHF's and TRL's trainers expect."""
    return _with_ids(
        {"messages": [chat_message(entry.message) for entry in conversation.entries], **conversation.about()},
        conversation,
    )


def sharegpt_record(conversation: Conversation) -> dict[str, Any]:
    """A line with `conversations`: `from` is system, human, gpt, function_call or observation."""
    turns = [turn for entry in conversation.entries for turn in _sharegpt_turns(entry)]
    return _with_ids({"conversations": turns, **conversation.about()}, conversation)


def openrlhf_records(conversations: Iterable[Conversation]) -> Iterator[dict[str, Any]]:
    """OpenRLHF's prompt set: each prompt once, in the order met, with a label that leads back to the task.

    `prompt` is a list of messages (`--data.input_key prompt --data.apply_chat_template`); `label` is handed to the
    agent or reward function verbatim, so it is JSON text (`--data.label_key label`).
    """
    seen: set[str] = set()
    for conversation in conversations:
        # Later segments open with what the policy itself brought about; only the first is a prompt.
        if conversation.segment > 0:
            continue
        prompt = [chat_message(entry.message) for entry in conversation.prompt()]
        label = {"task_id": conversation.episode.task_id, "scaffold": conversation.episode.scaffold}
        key = json.dumps([prompt, label])
        if prompt and key not in seen:
            seen.add(key)
            yield {"prompt": prompt, "label": json.dumps(label), "datasource": "sandmle", **label}


def _sharegpt_turns(entry: TranscriptEntry) -> Iterator[dict[str, str]]:
    message = entry.message
    if message.content or not message.tool_calls:
        yield {"from": _SHAREGPT_SPEAKERS[message.role], "value": message.content}
    for call in message.tool_calls:
        yield {"from": "function_call", "value": json.dumps({"name": call.name, "arguments": call.arguments})}


def _with_ids(record: dict[str, Any], conversation: Conversation) -> dict[str, Any]:
    return record if conversation.exact is None else {**record, **exact_columns(conversation.exact)}
