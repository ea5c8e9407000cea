"""Leaves out the thoughts that a model writes before it answers, so that nothing in them is taken for an act. Pure."""

import re
from typing import Final

OPEN: Final = "<think>"
_CLOSE: Final = re.compile(r"(?<![\"'])</think>(?![\"']|`(?!`))")
"""In quotes, or as code in prose, it is text."""


def without_thought(text: str) -> str:
    """What follows the thought that `text` begins with; a thought that is never closed hides nothing.

    Some chat templates open the thought themselves, so that a reply begins inside of it.

    >>> without_thought("<think>run ```x```</think>done")
    'done'
    >>> without_thought("hm</think>done")
    'done'
    """
    close = _CLOSE.search(text)
    # A closing tag after an opening one further on belongs to what stands there.
    if close is None or (not text.lstrip().startswith(OPEN) and OPEN in text[: close.start()]):
        return text
    return text[close.end() :]
