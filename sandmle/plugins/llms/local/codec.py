"""Messages as ids, each encoded by itself, so that a conversation is the concatenation of its messages."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError
from tokenizers import Tokenizer

from sandmle.core.contracts.policy import EncodedMessage
from sandmle.core.errors import ConfigError, ProviderError, boundary
from sandmle.core.types.message import Message

FORMAT_FILE: Final = "chat_format.json"
TOKENIZER_FILE: Final = "tokenizer.json"


class ChatFormat(BaseModel):
    """`chat_format.json` beside the weights: how a conversation is written in this checkpoint's tokens.

    For ChatML: `<|im_start|>system` with a line end and so on, end `<|im_end|>`, after it a line end.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    system: str = "<|system|>"
    user: str = "<|user|>"
    assistant: str = "<|assistant|>"
    end: str = "<|end|>"
    """One special token."""
    after: str = ""
    """What stands between the end of a message and the next; never sampled."""

    def opening(self, role: Literal["system", "user", "assistant"]) -> str:
        return {"system": self.system, "user": self.user, "assistant": self.assistant}[role]


class Codec:
    """A tokenizer with its chat format."""

    def __init__(self, tokenizer: Tokenizer, chat_format: ChatFormat) -> None:
        self.tokenizer = tokenizer
        self._opening = {role: self._markup(chat_format.opening(role)) for role in ("system", "user", "assistant")}
        [self.end_id] = self._markup(chat_format.end)
        self.end_ids = frozenset({self.end_id})
        """What ends a turn when it is sampled."""
        self._after = self._markup(chat_format.after)
        # From here on, text that looks like a special token is encoded as the text it is.
        tokenizer.encode_special_tokens = True

    @property
    def size(self) -> int:
        """Number of ids."""
        size: int = self.tokenizer.get_vocab_size(with_added_tokens=True)
        return size

    def message(self, message: Message) -> EncodedMessage:
        """A whole message.

        The policy's own turn is what it sampled; where that was cut off, the end follows that nobody sampled.
        """
        opening = self._opening["user" if message.role == "tool" else message.role]
        if message.token_ids is not None and message.role == "assistant":
            written = message.token_ids
            ended = bool(written) and written[-1] == self.end_id
            body = written if ended else (*written, self.end_id)
        else:
            body = (*self.encode(as_text(message)), self.end_id)
        start = len(opening)
        return EncodedMessage(ids=(*opening, *body, *self._after), start=start, end=start + len(body))

    def prompt(self, messages: Sequence[Message]) -> tuple[int, ...]:
        """The conversation, up to where the policy writes."""
        ids: list[int] = []
        for message in messages:
            ids += self.message(message).ids
        return (*ids, *self._opening["assistant"])

    def encode(self, text: str) -> tuple[int, ...]:
        return tuple(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of sampled ids; special tokens have none, and broken UTF-8 becomes replacement characters."""
        text: str = self.tokenizer.decode(list(ids), skip_special_tokens=True)
        return text

    def _markup(self, text: str) -> tuple[int, ...]:
        return tuple(self.tokenizer.encode(text, add_special_tokens=False).ids)


def as_text(message: Message) -> str:
    """A message with its native calls and responses spelled out, for a chat format that knows neither."""
    if message.role == "tool":
        return f"<tool_response>\n{message.content}\n</tool_response>"
    calls = (
        f'<tool_call>\n{{"name": {json.dumps(call.name)}, "arguments": {call.arguments}}}\n</tool_call>'
        for call in message.tool_calls
    )
    return "\n".join((*([message.content] if message.content or not message.tool_calls else []), *calls))


def read_codec(path: Path) -> Codec:
    """The codec of a checkpoint directory.

    Raises:
        ConfigError: a file is missing or broken, or the tokenizer does not know the format's end token.
    """
    try:
        text = (path / FORMAT_FILE).read_text("utf-8")
        chat_format = ChatFormat.model_validate_json(text)
    except FileNotFoundError:
        raise ConfigError(
            f"{path} has no {FORMAT_FILE}, so it was not made by `sandmle train`; to open a checkpoint of another "
            f"origin, write that file: the texts that open system, user and assistant turns, and the end token"
        ) from None
    except (OSError, UnicodeDecodeError, ValidationError) as problem:
        raise ConfigError(f"{path / FORMAT_FILE} is no chat format: {problem}") from None
    tokenizer = _read_tokenizer(path / TOKENIZER_FILE)
    if tokenizer.token_to_id(chat_format.end) is None:
        raise ConfigError(f"{path / TOKENIZER_FILE} has no token {chat_format.end!r}, which ends a turn")
    return Codec(tokenizer, chat_format)


def _read_tokenizer(path: Path) -> Tokenizer:
    try:
        # The tokenizers library raises bare Exception for a file it cannot read.
        with boundary(ProviderError, f"{path} is no tokenizer"):
            return Tokenizer.from_str(path.read_text("utf-8"))
    except ProviderError as problem:
        raise ConfigError(str(problem)) from problem
