"""Demonstrations as OpenRLHF's SFT dataset takes them, under a chat template whose loss mask is proven.

OpenRLHF trains every assistant's message of a conversation and finds it by rendering beginnings of that conversation.
So only conversations go in whose assistant's messages the demonstrator sampled, and only under a template that
concatenates: shown for these very conversations, by text and by ids.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from transformers import AutoTokenizer

from sandmle.core.engine.chat_templates import TemplateError, prove_template
from sandmle.core.errors import ConfigError, ProviderError, RunError, boundary
from sandmle.core.types.chat_format import FORMATS, ChatFormat, Role
from sandmle.core.types.episode import Episode
from sandmle.core.types.trajectory import Segment

Said = list[tuple[Role, str]]
_ROLES: Final = ("system", "user", "assistant")


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversations:
    """What is imitated, and what was left out."""

    said: tuple[Said, ...]
    left_out: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """A template under which the mask is right."""

    jinja: str
    origin: str
    """Where it is from: the tokenizer, a file, or one of ours by its name."""
    chat_format: ChatFormat


def conversations_of(episodes: Iterable[Episode]) -> Conversations:
    """Every segment in which something was sampled, up to its last sampled message."""
    found: list[Said] = []
    left_out: Counter[str] = Counter()
    for episode in episodes:
        for segment in episode.trajectory.segments:
            said, why = _said(segment)
            if why:
                left_out[why] += 1
            elif said:
                found.append(said)
    return Conversations(said=tuple(found), left_out=dict(left_out))


def open_tokenizer(policy: str) -> Any:
    """The tokenizer that OpenRLHF will open.

    Raises:
        ConfigError: it cannot be opened.
    """
    try:
        with boundary(ProviderError, f"the tokenizer of {policy!r} cannot be opened"):
            return AutoTokenizer.from_pretrained(policy)
    except ProviderError as problem:
        raise ConfigError(f"{problem}; name a folder that holds it, or a model that can be downloaded") from problem


def choose_template(tokenizer: Any, file: Path | None) -> Proven:
    """The template to train under: the file's, else the tokenizer's own if it is proven, else ours of its tokens.

    Raises:
        TemplateError: none whose mask can be proven; the message says at which message and token.
        ConfigError: the file cannot be read, or turns end by another token than the tokenizer's end of text.
    """
    if file is not None:
        return _proven(tokenizer, _read(file), str(file))
    problem: TemplateError | None = None
    if tokenizer.chat_template:
        try:
            return _proven(tokenizer, tokenizer.chat_template, "the tokenizer")
        except TemplateError as refused:
            problem = refused
    known = tokenizer.get_vocab()
    for name, chat_format in FORMATS.items():
        if chat_format.end in known and all(one in known for one in _specials(chat_format)):
            return _proven(tokenizer, chat_format.jinja(), name)
    raise problem or TemplateError("the tokenizer has no chat template, and the tokens of none of ours")


def fitting(tokenizer: Any, proven: Proven, found: Conversations, most_tokens: int) -> Conversations:
    """Without the conversations that OpenRLHF would cut in silence, or in which no mask ends where a message does.

    Raises:
        RunError: none is left.
    """
    short = [
        said
        for said in found.said
        if len(tokenizer(proven.chat_format.render(said), add_special_tokens=False)["input_ids"]) <= most_tokens
    ]
    with _template(tokenizer, proven.jinja):
        kept = short if _holds(tokenizer, short) else [said for said in short if _holds(tokenizer, [said])]
    left_out = {**found.left_out, "too_long": len(found.said) - len(short), "no_mask": len(short) - len(kept)}
    if not kept:
        raise RunError(f"no demonstration is left: {left_out}")
    return Conversations(said=tuple(kept), left_out=left_out)


def dataset_lines(said: Iterable[Said]) -> str:
    """JSON Lines with a list `messages`."""
    rows = ({"messages": [{"role": role, "content": content} for role, content in one]} for one in said)
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _said(segment: Segment) -> tuple[Said, str]:
    """The conversation, or why it is left out."""
    sampled = [number for number, entry in enumerate(segment.entries) if entry.reply is not None]
    if not sampled:
        return [], ""
    said: Said = []
    for entry in segment.entries[: sampled[-1] + 1]:
        message = entry.message
        if message.role not in _ROLES or message.tool_calls:
            return [], "native_calls"
        if message.role == "assistant" and entry.reply is None:
            return [], "not_sampled"
        said.append((message.role, message.content))
    return said, ""


def _proven(tokenizer: Any, jinja: str, origin: str) -> Proven:
    with _template(tokenizer, jinja):
        chat_format = prove_template(tokenizer)
    if tokenizer.eos_token != chat_format.end:
        raise ConfigError(
            f"the tokenizer's end of text is {tokenizer.eos_token!r}, and turns end by {chat_format.end!r}: OpenRLHF "
            f"would write the former over the last trained token; set eos_token to {chat_format.end!r} in "
            "tokenizer_config.json of a copy of the model, and name that folder as the policy"
        )
    return Proven(jinja=jinja, origin=origin, chat_format=chat_format)


def _holds(tokenizer: Any, said: Sequence[Said]) -> bool:
    try:
        prove_template(tokenizer, said)
    except TemplateError:
        return False
    return True


@contextmanager
def _template(tokenizer: Any, jinja: str) -> Iterator[None]:
    before = tokenizer.chat_template
    tokenizer.chat_template = jinja
    try:
        yield
    finally:
        tokenizer.chat_template = before


def _specials(chat_format: ChatFormat) -> list[str]:
    opening = chat_format.assistant
    return [part + ("|>" if "|>" in opening else "") for part in opening.split("|>")[:-1] if part.startswith("<|")]


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise ConfigError(f"cannot read the chat template {file}: {problem}") from problem
