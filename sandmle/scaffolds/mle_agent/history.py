"""Which part of the conversation is sent, and how long it is. Pure."""

from collections.abc import Sequence
from typing import Final

from sandmle.core.types.message import Message

CHARS_PER_TOKEN: Final = 4
"""An estimate: MLE-Dojo counts with the tokenizer of gpt-4, which is not there without a network."""
FIRST: Final = 2
"""Messages that are always kept: the instructions and the first answer."""


def kept(transcript: Sequence[Message], history_length: int | None) -> list[Message]:
    """The first two messages and the last `history_length` times two of the rest.

    As in MLE-Dojo, whose count begins from the newest message: when that is a user's, the pairs are cut so
    that the first of them is an answer without its question.
    """
    if history_length is None:
        return list(transcript)
    return [*transcript[:FIRST], *transcript[FIRST:][-2 * history_length :]]


def estimated_tokens(messages: Sequence[Message]) -> int:
    return sum(len(message.content) for message in messages) // CHARS_PER_TOKEN
