"""The conversation of one episode as it grows: in segments, and what the policy said with the tokens it sampled."""

from collections.abc import Sequence
from dataclasses import replace

from sandmle.core.types.message import Message, ModelReply
from sandmle.core.types.trajectory import Segment, TranscriptEntry


class Transcript:
    """What was said so far. A conversation that only grows is one segment; an edited one begins the next."""

    def __init__(self) -> None:
        self._segments: list[list[TranscriptEntry]] = []

    @property
    def segments(self) -> tuple[Segment, ...]:
        """All of it, in the order said."""
        return tuple(Segment(entries=tuple(entries)) for entries in self._segments)

    def with_own_ids(self, messages: Sequence[Message]) -> tuple[Message, ...]:
        """The conversation with what was sampled for each of the policy's own turns that stand in it unchanged."""
        current = self._segments[-1] if self._segments else []
        said = [_own(entry) for entry in current]
        if tuple(said) == tuple(messages[: len(said)]):
            kept, rest = said, messages[len(said) :]
        else:
            kept, rest = [], messages
        # Messages are equal whatever ids they carry.
        remembered = (one for entries in self._segments for one in map(_own, entries))
        own = {one: one for one in remembered if one.token_ids or one.reasoning}
        bare = (replace(one, token_ids=None, reasoning=None) if _is_dressed(one) else one for one in rest)
        return (*kept, *(own.get(one, one) if one.role == "assistant" else one for one in bare))

    def add(self, conversation: tuple[Message, ...], reply: ModelReply, turn: int) -> None:
        """Extend the last segment when the conversation only grew; begin a new one when it was edited."""
        current = self._segments[-1] if self._segments else []
        said = tuple(entry.message for entry in current)
        if not current or conversation[: len(said)] != said:
            current, said = [], ()
            self._segments.append(current)
        current.extend(TranscriptEntry(message=message) for message in conversation[len(said) :])
        answer = Message(role="assistant", content=reply.text, tool_calls=reply.tool_calls)
        # Whether it was paid for earlier is no part of what happened: a replayed trajectory is the same.
        current.append(TranscriptEntry(message=answer, reply=replace(reply, cached=False), turn=turn))


def _own(entry: TranscriptEntry) -> Message:
    # Ids and reasoning stand in the record once, with the reply; here they rejoin the message.
    reply = entry.reply
    # Most replies bring neither; a copy of every turn at every turn is what long episodes would take longest for.
    if reply is None or (reply.sampled_ids is None and reply.reasoning is None):
        return entry.message
    return replace(entry.message, token_ids=reply.sampled_ids, reasoning=reply.reasoning)


def _is_dressed(message: Message) -> bool:
    return message.token_ids is not None or message.reasoning is not None
