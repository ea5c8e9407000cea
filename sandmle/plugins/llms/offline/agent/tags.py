"""The protocols of tags and fences: ReAct, CodeAct and the single program. Pure."""

import re
from collections.abc import Sequence
from typing import Final

from sandmle.core.types.message import Message
from sandmle.plugins.llms.offline.agent.conversation import Conversation, Turn, conversation_of, stage_of
from sandmle.plugins.llms.offline.agent.speech import Utterance, Wish

_CODE: Final = re.compile(r"<code>\n?(.*?)</code>", re.DOTALL)
_EXECUTE: Final = re.compile(r"<execute>\n?(.*?)</execute>", re.DOTALL)
_RESPONSE: Final = re.compile(r"<tool_response>\n?(.*?)\n?</tool_response>", re.DOTALL)
SUBMIT: Final = "submit()"


def read_react(messages: Sequence[Message]) -> Conversation:
    return conversation_of(messages, _react_turn)


def write_react(said: Utterance) -> str:
    thought = f"<think>\n{said.thought}\n</think>\n"
    match said.wish:
        case Wish.RUN:
            return f"{thought}<tool_call>\npython\n<code>\n{said.code.strip()}\n</code>\n</tool_call>"
        case Wish.SCORE:
            return f'{thought}<tool_call>\n{{"name": "Score", "arguments": {{}}}}\n</tool_call>'
        case _:
            return f"{thought}<answer>submission</answer>"


def read_codeact(messages: Sequence[Message]) -> Conversation:
    return conversation_of(messages, _codeact_turn)


def write_codeact(said: Utterance) -> str:
    thought = f"<think>\n{said.thought}\n</think>\n"
    if said.wish in (Wish.RUN, Wish.SCORE):
        code = said.code.strip() if said.wish is Wish.RUN else SUBMIT
        return f"{thought}<execute>\n{code}\n</execute>"
    return f"{thought}<solution>submission</solution>"


def write_program(said: Utterance) -> str:
    return f"<think>\n{said.thought}\n</think>\n```python\n{said.code.strip()}\n```"


def _react_turn(reply: Message, following: Sequence[Message]) -> Turn:
    heard = following[0].content if following else ""
    response = "\n".join(_RESPONSE.findall(heard)) or heard
    code = "\n".join(_CODE.findall(reply.content))
    return Turn(stage=stage_of(code, scores='"Score"' in reply.content), code=code, response=response)


def _codeact_turn(reply: Message, following: Sequence[Message]) -> Turn:
    code = "\n".join(_EXECUTE.findall(reply.content))
    heard = following[0].content.removeprefix("Observation:\n") if following else ""
    return Turn(stage=stage_of(code, scores=code.strip() == SUBMIT), code=code, response=heard)
