"""Reads an answer of the protocol: one JSON object that names an action and its one parameter. Pure.

As strict as MLE-Dojo's agent: the object may stand in a fence marked json, and nothing else is forgiven,
since what cannot be read is sent back to be repaired.
"""

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

FENCE, FENCE_END = "```json", "```"


class Operator(StrEnum):
    """The three actions."""

    REQUEST_INFO = "request_info"
    VALIDATE_CODE = "validate_code"
    EXECUTE_CODE = "execute_code"


PARAMETER: Final = {
    Operator.REQUEST_INFO: "info_type",
    Operator.VALIDATE_CODE: "code",
    Operator.EXECUTE_CODE: "code",
}
"""The name of each action's one parameter, a string."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the policy decided to do."""

    operator: Operator
    argument: str
    """A type of information, or code."""


def read_decision(text: str) -> Decision:
    """Read one answer.

    Raises:
        ValueError: it is none; the message says why, and repeats nothing of it.
    """
    answer = _fenced(text)
    if not answer.strip():
        raise ValueError("the answer is empty")
    try:
        found = json.loads(answer)
    except RecursionError:
        raise ValueError("the answer is nested too deeply") from None
    if not isinstance(found, dict) or set(found) != {"action", "params"}:
        raise ValueError('the answer must be one JSON object with exactly the keys "action" and "params"')
    if found["action"] not in tuple(Operator):
        raise ValueError(f'"action" must be one of {", ".join(Operator)}')
    operator = Operator(found["action"])
    params, name = found["params"], PARAMETER[operator]
    if not isinstance(params, dict) or set(params) != {name} or not isinstance(params[name], str):
        raise ValueError(f'"params" of {operator} must be an object with exactly the key "{name}", a string')
    return Decision(operator=operator, argument=params[name])


def _fenced(text: str) -> str:
    start = text.find(FENCE)
    end = text.find(FENCE_END, start + len(FENCE)) if start >= 0 else -1
    # An empty fence is taken as none, as MLE-Dojo does.
    return text[start + len(FENCE) : end].strip() if end > start + len(FENCE) else text
