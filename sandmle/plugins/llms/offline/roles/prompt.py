"""Reading the conversation a role is sent: which role, which data blocks, and what is to be repaired."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandmle.core.types.message import Message

_ROLE = re.compile(r"\A\s*# Role: *([a-z-]+)")
_BLOCK = re.compile(r"^## ([^\n]+?)[ \t]*\n+```json[ \t]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_REPAIR = re.compile(r"\A\s*# Repair\b")
_PROBLEM = re.compile(r"^```text[ \t]*\n(.*?)^```", re.MULTILINE | re.DOTALL)


class Unanswerable(Exception):  # noqa: N818 - it is an outcome of reading a prompt, said to the asker in plain words
    """The prompt lacks what the role needs; `str` is the plain sentence to answer with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One conversation, read."""

    role: str
    blocks: Mapping[str, Any]
    """Block name in lower case to its parsed JSON."""
    problems: tuple[str, ...]
    """What earlier answers were told to repair, oldest first."""

    def block(self, name: str) -> Any:
        """The JSON of a block.

        Raises:
            Unanswerable: it is not there.
        """
        if name.lower() not in self.blocks:
            raise Unanswerable(f"The prompt for {self.role} holds no readable ```json block under '## {name}'.")
        return self.blocks[name.lower()]

    def mapping(self, name: str) -> dict[str, Any]:
        """The JSON object of a block.

        Raises:
            Unanswerable: it is not there, or not an object.
        """
        value = self.block(name)
        if not isinstance(value, dict):
            raise Unanswerable(f"The block '## {name}' holds no JSON object.")
        return value

    def integer(self, block: str, key: str) -> int:
        """A whole number inside a block.

        Raises:
            Unanswerable: it is missing, or not a whole number.
        """
        value = self.mapping(block).get(key)
        if not isinstance(value, int) or isinstance(value, bool):
            raise Unanswerable(f"The block '## {block}' gives no whole number under {key!r}.")
        return value


def read_question(messages: Sequence[Message]) -> Question:
    """Find the role's prompt (the last user message that is not a repair) and the problems told since.

    Raises:
        Unanswerable: no message names a role.
    """
    problems: list[str] = []
    for message in reversed(messages):
        if message.role != "user":
            continue
        if _REPAIR.match(message.content):
            found = _PROBLEM.search(message.content)
            problems.insert(0, found.group(1).strip() if found else message.content.strip())
            continue
        named = _ROLE.match(message.content)
        if named is None:
            break
        return Question(role=named.group(1), blocks=_blocks(message.content), problems=tuple(problems))
    raise Unanswerable("The prompt names no role: a user message must begin with '# Role: <role-name>'.")


def _blocks(text: str) -> dict[str, Any]:
    blocks: dict[str, Any] = {}
    for title, body in _BLOCK.findall(text):
        try:
            blocks[title.strip().lower()] = json.loads(body)
        except json.JSONDecodeError as problem:
            raise Unanswerable(f"The block '## {title}' is not JSON: {problem}.") from problem
    return blocks
