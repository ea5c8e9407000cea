"""MLE-Dojo's protocol: the task is told when asked for, and running a whole program also submits. Pure."""

import json
import re
from collections.abc import Sequence
from typing import Any, Final

from sandmle.core.types.message import Message
from sandmle.plugins.llms.offline.agent.conversation import Conversation, Turn, stage_of
from sandmle.plugins.llms.offline.agent.speech import Utterance, Wish

_RESULT: Final = re.compile(r"#### (?:Results|Error) ####\n(.*)\n#### End of \w+ ####", re.DOTALL)
_FENCED: Final = re.compile(r"```json\n(.*?)\n```", re.DOTALL)
CUT: Final = "the reply was cut by the token limit"


def read(messages: Sequence[Message]) -> Conversation:
    """The task is what was told of it: the rest of the opening counts seconds, and differs each time."""
    task, turns = "", []
    for at, message in enumerate(messages):
        if message.role != "assistant":
            continue
        heard = messages[at + 1].content if at + 1 < len(messages) else ""
        result = _RESULT.search(heard)
        response = result[1] if result else heard
        action, argument = _read_action(message.content)
        if argument == "overview":
            task = task or response
        elif action != "request_info":
            turns += _turns(action, argument, response)
    return Conversation(task=task, turns=tuple(turns))


def write(said: Utterance) -> str:
    """One JSON object; there is no word for being done, so the agent then asks for what costs nothing."""
    match said.wish:
        case Wish.RUN:
            action, params = "execute_code" if said.submits else "validate_code", {"code": said.code.strip()}
        case Wish.ASK:
            action, params = "request_info", {"info_type": "overview"}
        case _:
            action, params = "request_info", {"info_type": "output_path"}
    return json.dumps({"action": action, "params": params})


def _turns(action: str, code: str, response: str) -> list[Turn]:
    if not action:
        # The agent writes nothing but JSON, so what cannot be read of its own was cut.
        return [Turn(stage="other", code="", response=f"{CUT}\n{response}")]
    ran = Turn(stage=stage_of(code, scores=False), code=code, response=response)
    if action == "validate_code" or ran.failed:
        return [ran]
    return [ran, Turn(stage="score", code="", response=response)]


def _read_action(text: str) -> tuple[str, str]:
    fenced = _FENCED.search(text)
    try:
        said: Any = json.loads(fenced[1] if fenced else text)
        [argument] = said["params"].values()
        return str(said["action"]), str(argument)
    except (ValueError, TypeError, KeyError, AttributeError):
        return "", ""
