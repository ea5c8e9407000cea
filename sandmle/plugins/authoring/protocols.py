"""What a model might answer in each protocol that scaffolds are known to speak: code to be run, nothing more."""

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from sandmle.core.types.message import ModelReply, ToolCall

CODE: Final = "print(1)"

PROTOCOLS: Final[Mapping[str, Sequence[str | ModelReply]]] = MappingProxyType(
    {
        "a fenced block of Python": [f"I look.\n```python\n{CODE}\n```"],
        "<execute> tags": [f"I look.\n<execute>\n{CODE}\n</execute>"],
        "ReAct's tags": [
            f"<think>I look.</think>\n<tool_call>\npython\n<code>\n{CODE}\n</code>\n</tool_call>",
        ],
        "MLE-Dojo's JSON": [json.dumps({"action": "execute_code", "params": {"code": CODE}})],
        "a native tool call": [
            ModelReply(
                text="", tool_calls=(ToolCall(call_id="1", name="run_python", arguments=json.dumps({"code": CODE})),)
            )
        ],
        "bare Python": [CODE],
    }
)
"""Name of the protocol to the replies of a whole episode; the last is repeated."""
