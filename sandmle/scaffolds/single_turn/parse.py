"""Reads the one reply: which program it holds. Pure."""

import re
from typing import Final

from sandmle.core.types.trajectory import Action, ActionKind
from sandmle.scaffolds.common.blocks import read_blocks
from sandmle.scaffolds.common.speech import invalid
from sandmle.scaffolds.common.thoughts import without_thought

EXPECTED: Final = "Expected one program in one block:\n```python\n...\n```"
_BEGINS_LIKE_CODE: Final = re.compile(r"\s*(?:#[^\n]*\n\s*)*(?:import|from)\s+\w")


def read_program(text: str, *, cut: bool = False, unfenced: bool = True) -> Action:
    """The program as a cell, or an `invalid` action that says why there is none.

    Several blocks of Python are one program in their order; blocks in other languages are none of it.

    Args:
        text: the reply.
        cut: whether the token limit ended it.
        unfenced: whether a reply without any block may itself be the program.
    """
    text = without_thought(text)
    blocks = read_blocks(text)
    python = [block for block in blocks if block.is_python and block.code.strip()]
    if python:
        if cut and not python[-1].closed:
            return invalid("the reply was cut by the token limit in the middle of its program", EXPECTED)
        return Action(kind=ActionKind.RUN_CODE, code="\n".join(block.code for block in python))
    if blocks:
        return invalid("no code block holds Python", EXPECTED)
    if unfenced and _BEGINS_LIKE_CODE.match(text):
        if cut:
            return invalid("the reply was cut by the token limit in the middle of its program", EXPECTED)
        return Action(kind=ActionKind.RUN_CODE, code=text.strip())
    return invalid("the reply holds no program", EXPECTED)
