"""The protocols that the agent speaks: which a conversation is in, what was said in it, how to say the next. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from sandmle.core.types.message import Message, ModelReply
from sandmle.plugins.llms.offline.agent import dojo, functions, tags
from sandmle.plugins.llms.offline.agent.conversation import Conversation
from sandmle.plugins.llms.offline.agent.speech import Utterance


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One protocol."""

    read: Callable[[Sequence[Message]], Conversation]
    write: Callable[[Utterance], str | ModelReply]
    one_shot: bool = False
    """Whether the first reply is the last, so that there is no looking."""


REACT: Final = Dialect(read=tags.read_react, write=tags.write_react)
CODEACT: Final = Dialect(read=tags.read_codeact, write=tags.write_codeact)
ONE_PROGRAM: Final = Dialect(read=tags.read_react, write=tags.write_program, one_shot=True)
FUNCTIONS: Final = Dialect(read=functions.read_native, write=functions.write_native)
FUNCTIONS_AS_TEXT: Final = Dialect(read=functions.read_text, write=functions.write_text)
MLE_DOJO: Final = Dialect(read=dojo.read, write=dojo.write)


def dialect_of(messages: Sequence[Message]) -> Dialect:
    """The protocol that the opening of the conversation asks for; ReAct's when it asks for none."""
    first = next((at for at, message in enumerate(messages) if message.role == "assistant"), len(messages))
    opening = "\n".join(message.content for message in messages[:first])
    if '"request_info"' in opening:
        return MLE_DOJO
    if "`run_python`" in opening:
        return FUNCTIONS_AS_TEXT if "<tool_call>" in opening else FUNCTIONS
    if "<execute>" in opening and "<solution>" in opening:
        return CODEACT
    return ONE_PROGRAM if "with a single program" in opening else REACT
