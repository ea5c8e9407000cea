"""Function calling, native and spelled out. Pure."""

import json
import re
from collections.abc import Sequence
from typing import Any, Final

from sandmle.core.types.message import Message, ModelReply, ToolCall
from sandmle.plugins.llms.offline.agent.conversation import Conversation, Turn, conversation_of, stage_of
from sandmle.plugins.llms.offline.agent.speech import Utterance, Wish

_CALL: Final = re.compile(r"<tool_call>\n(.*)\n</tool_call>", re.DOTALL)
_RESPONSE: Final = re.compile(r"<tool_response>\n?(.*?)\n?</tool_response>", re.DOTALL)


def read_native(messages: Sequence[Message]) -> Conversation:
    return conversation_of(messages, _native_turn)


def write_native(said: Utterance) -> ModelReply:
    name, arguments = _call_for(said)
    call = ToolCall(call_id=f"call_{name}", name=name, arguments=json.dumps(arguments))
    return ModelReply(text=f"<think>\n{said.thought}\n</think>", tool_calls=(call,))


def read_text(messages: Sequence[Message]) -> Conversation:
    return conversation_of(messages, _text_turn)


def write_text(said: Utterance) -> str:
    name, arguments = _call_for(said)
    call = json.dumps({"name": name, "arguments": arguments})
    return f"<think>\n{said.thought}\n</think>\n<tool_call>\n{call}\n</tool_call>"


def _call_for(said: Utterance) -> tuple[str, dict[str, str]]:
    if said.wish is Wish.RUN:
        return "run_python", {"code": said.code.strip()}
    return ("submit" if said.wish is Wish.SCORE else "finish"), {}


def _native_turn(reply: Message, following: Sequence[Message]) -> Turn:
    response = "\n".join(message.content for message in following)
    called = reply.tool_calls[0] if reply.tool_calls else ToolCall(call_id="", name="", arguments="")
    return _turn(called.name, _read(called.arguments), response)


def _text_turn(reply: Message, following: Sequence[Message]) -> Turn:
    heard = following[0].content if following else ""
    spelled = _CALL.search(reply.content)
    call = _read(spelled[1] if spelled else "")
    arguments = call.get("arguments")
    response = "\n".join(_RESPONSE.findall(heard)) or heard
    return _turn(str(call.get("name", "")), arguments if isinstance(arguments, dict) else {}, response)


def _turn(name: str, arguments: dict[str, Any], response: str) -> Turn:
    code = str(arguments.get("code", ""))
    return Turn(stage=stage_of(code, scores=name == "submit"), code=code, response=response)


def _read(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
