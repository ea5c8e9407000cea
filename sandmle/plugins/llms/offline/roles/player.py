"""The player: one pure function from the conversation to the answer's text."""

import json
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from sandmle.core.errors import nearest
from sandmle.core.types.message import Message
from sandmle.plugins.llms.offline.roles.developer import development
from sandmle.plugins.llms.offline.roles.engineer import evaluation
from sandmle.plugins.llms.offline.roles.prompt import Question, Unanswerable, read_question
from sandmle.plugins.llms.offline.roles.strategist import strategy
from sandmle.plugins.llms.offline.roles.writer import writing

ROLES: Final[Mapping[str, Callable[[Question], dict[str, Any]]]] = MappingProxyType(
    {
        "data-strategist": strategy,
        "ml-developer": development,
        "mlops-engineer": evaluation,
        "technical-writer": writing,
    }
)
"""Role name, as it stands in the prompt's first line, to who plays it."""


def play(messages: Sequence[Message]) -> str:
    """Answer a synthesizer role's conversation with its JSON.

    It reads nothing but `messages`: the same conversation always gets the same answer. A conversation it
    cannot answer gets a plain sentence that says what is missing.
    """
    try:
        question = read_question(messages)
        if question.role not in ROLES:
            return f"No role named {question.role!r} is played here; {nearest(question.role, tuple(ROLES))}"
        return json.dumps(ROLES[question.role](question), indent=2)
    except Unanswerable as missing:
        return str(missing)
    except (LookupError, TypeError, ValueError, AttributeError) as damage:
        # Blocks are JSON of any shape. What a role finds missing deep inside one is the prompt's fault, and the
        # asker can do more with a sentence than with a traceback.
        return f"The prompt's blocks hold parameters that cannot be used: {type(damage).__name__}: {damage}."
