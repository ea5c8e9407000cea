"""Conversations as lines of chat JSONL. Pure."""

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from sandmle.core.types.message import Message, ToolCall
from sandmle.plugins.exchange.trajectories.conversations import Conversation, chat_message, exact_columns

_SPEAKERS: Final = {"system": "system", "user": "human", "assistant": "gpt", "tool": "observation"}
_SHOWN: Final = ("human", "observation")
"""Speakers whose turns the model is shown; the others' are what it says."""


def sft_record(conversation: Conversation) -> dict[str, Any]:
    """A line with `messages`; the last is the assistant's, as OpenRLHF's and TRL's trainers expect."""
    messages = [chat_message(entry.message) for entry in conversation.entries]
    for message, entry in zip(messages, conversation.entries, strict=True):
        if entry.message.role == "assistant" and entry.reply is None:
            # As fine-tuning files of the chat API say that an example's words are not to be learned.
            message["weight"] = 0
    return _with_ids({"messages": messages, **conversation.about()}, conversation)


def sharegpt_record(conversation: Conversation) -> dict[str, Any]:
    """A line with `conversations`: after a system prompt, what is shown and what is said take turns.

    `from` is system, human, gpt, function_call or observation. Readers of this format leave a conversation out in
    which two turns of a side follow one another, so what is shown at once is one turn, and an empty one is shown where
    the model went on by itself.
    """
    made: list[dict[str, str]] = []
    for entry in conversation.entries:
        turn = _turn(entry.message, first=not made)
        shown_last = bool(made) and made[-1]["from"] in _SHOWN
        if turn["from"] == "system":
            made.append(turn)
        elif turn["from"] in _SHOWN and shown_last:
            made[-1]["value"] += "\n\n" + turn["value"]
        elif turn["from"] in _SHOWN or shown_last:
            made.append(turn)
        else:
            made += [{"from": "human", "value": ""}, turn]
    return _with_ids({"conversations": made, **conversation.about()}, conversation)


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


def _turn(message: Message, *, first: bool) -> dict[str, str]:
    thoughts = f"<think>\n{message.reasoning.text}\n</think>\n\n" if message.reasoning else ""
    if not message.tool_calls:
        # Only the first turn may be a system's.
        role = "user" if message.role == "system" and not first else message.role
        return {"from": _SPEAKERS[role], "value": thoughts + message.content}
    calls = [{"name": call.name, "arguments": _arguments(call)} for call in message.tool_calls]
    value = json.dumps(calls[0] if len(calls) == 1 else calls, ensure_ascii=False)
    if message.content:
        value = f"{message.content}\n<tool_call>{value}</tool_call>"
    return {"from": "function_call", "value": thoughts + value}


def _arguments(call: ToolCall) -> object:
    """The arguments as an object; the text itself, where it is none."""
    try:
        found = json.loads(call.arguments)
    except (ValueError, RecursionError):
        return call.arguments
    return found if isinstance(found, dict) else call.arguments


def _with_ids(record: dict[str, Any], conversation: Conversation) -> dict[str, Any]:
    return record if conversation.exact is None else {**record, **exact_columns(conversation.exact)}
