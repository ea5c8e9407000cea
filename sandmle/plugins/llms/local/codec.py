"""Messages as ids, each encoded by itself, so that a conversation is the concatenation of its messages."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Final

from tokenizers import Tokenizer

from sandmle.core.contracts.policy import EncodedMessage
from sandmle.core.types.chat_format import ROLES, ChatFormat
from sandmle.core.types.message import Message

MARKUP: Final = re.compile(r"<\|[^|]+\|>")
"""How special tokens are spelled in the formats that are known by name."""


class Codec:
    """A tokenizer with its chat format."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        chat_format: ChatFormat,
        *,
        files: Mapping[str, bytes] | None = None,
        unproven: str | None = None,
    ) -> None:
        """Take over a tokenizer.

        Args:
            tokenizer: from here on, text that looks like a special token is the text it is.
            chat_format: its markup must be tokens of it.
            files: the tokenizer's, by name, to be written with every checkpoint; none where it was just made.
            unproven: why the checkpoint's own template does not do what this format does.

        Raises:
            ValueError: the format is not written in this tokenizer's tokens.
        """
        self.tokenizer = tokenizer
        self.chat_format = chat_format
        self.files = dict(files or {})
        self.unproven = unproven
        tokenizer.no_truncation()
        tokenizer.no_padding()
        for text in (chat_format.begin, chat_format.end, *map(chat_format.opening, ROLES)):
            for word in MARKUP.findall(text):
                if tokenizer.token_to_id(word) is None:
                    raise ValueError(f"the tokenizer has no token {word!r}, which its chat format is written with")
        self._opening = {role: self.encode(chat_format.opening(role)) for role in ROLES}
        self.begin_ids = self.encode(chat_format.begin)
        """What stands before the first message."""
        self._after = self.encode(chat_format.after)
        end = self.encode(chat_format.end)
        tokenizer.encode_special_tokens = True
        if len(end) != 1 or end[0] in self.encode(chat_format.end):
            raise ValueError(
                f"{chat_format.end!r}, which ends a turn, is no special token of it: any text can spell it"
            )
        self.end_id: int = end[0]
        self.end_ids = frozenset(end)
        """What ends a turn when it is sampled."""

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
        ids = list(self.begin_ids)
        for message in messages:
            ids += self.message(message).ids
        return (*ids, *self._opening["assistant"])

    def encode(self, text: str) -> tuple[int, ...]:
        return tuple(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of sampled ids; special tokens have none, and broken UTF-8 becomes replacement characters."""
        text: str = self.tokenizer.decode(list(ids), skip_special_tokens=True)
        return text


def as_text(message: Message) -> str:
    """A message with its native calls and responses spelled out, for a chat format that knows neither."""
    if message.role == "tool":
        return f"<tool_response>\n{message.content}\n</tool_response>"
    calls = (
        f'<tool_call>\n{{"name": {json.dumps(call.name)}, "arguments": {call.arguments}}}\n</tool_call>'
        for call in message.tool_calls
    )
    return "\n".join((*([message.content] if message.content or not message.tool_calls else []), *calls))
