"""What a scaffold says back to the policy: observations in a form in which nobody can speak for the tools. Pure."""

import re
from typing import Final

from sandmle.core.types.trajectory import Action, ActionKind, Observation
from sandmle.scaffolds.common.truncation import head_and_tail

_NAME: Final = re.compile(r"[A-Za-z_][\w.-]{0,39}", re.ASCII)


def invalid(problem: str, expected: str) -> Action:
    """The action of a reply that could not be read; its observation says what was wrong and what was expected."""
    return Action(kind=ActionKind.INVALID, problem=f"Nothing was done: {problem}. {expected}")


def shown_name(name: str) -> str:
    """A name that a policy made up, fit to be repeated: one that is no name could be a message of its own."""
    return repr(name) if _NAME.fullmatch(name) else "something that is no name"


def with_status(observation: Observation, limit: int) -> str:
    """An observation as text of at most about `limit` characters, headed by how the cell ended if there was one."""
    text = head_and_tail(observation.text.strip(), limit)
    return text if observation.cell is None else f"Status: {observation.cell.value}\n{text}"
