"""Conversations under which a chat template is looked at."""

from collections.abc import Sequence
from typing import Final

from sandmle.core.types.chat_format import Role

Said = Sequence[tuple[Role, str]]
"""A conversation: role and content of each message."""

_THOUGHT: Final = "<think>\nI look first.\n</think>\n\n"
_CALL: Final = "<tool_call>\nprint(1)\n</tool_call>"
PLAIN: Final[tuple[Said, ...]] = (
    (("user", "What is it?"), ("assistant", "A table.")),
    (
        ("system", "Be brief."),
        ("user", "What is it?"),
        ("assistant", "A table."),
        ("user", "Go on."),
        ("assistant", "So."),
    ),
    (
        ("system", "Be brief."),
        ("user", "What is it?"),
        ("assistant", _THOUGHT + _CALL),
        ("user", "<tool_response>\n1\n</tool_response>"),
        ("assistant", _THOUGHT + _CALL),
        ("user", "Status: ok"),
        ("assistant", _THOUGHT + "Done."),
    ),
)
"""Conversations as agents have them, whose texts and ids are looked at."""
ODD: Final[tuple[Said, ...]] = (
    (("system", " \n spaced \n"), ("user", "\n spaced \n\n"), ("assistant", "  spaced\n\n"), ("user", "x")),
    (("user", "x"), ("assistant", ""), ("user", "x"), ("assistant", "</think> x <think>")),
    (("user", "{{ 7 * 7 }} {% raw %} \\n 'é' \u4e2d"), ("assistant", "{{ messages }} \\ \" '"), ("user", "x")),
)
"""Conversations whose texts are looked at only: beside white space a tokenizer may draw its borders elsewhere."""
