"""Leaves out the thoughts that a model writes before it answers, so that nothing in them is taken for an act. Pure."""

OPEN, CLOSE = "<think>", "</think>"


def without_thought(text: str) -> str:
    """What follows the thought that `text` begins with; a thought that is never closed hides nothing.

    Some chat templates open the thought themselves, so that a reply begins inside of it.

    >>> without_thought("<think>run ```x```</think>done")
    'done'
    >>> without_thought("hm</think>done")
    'done'
    """
    close = text.find(CLOSE)
    opened = text.lstrip().startswith(OPEN)
    # A closing tag after an opening one, or after code, belongs to what stands there.
    if close < 0 or (not opened and (OPEN in text[:close] or "```" in text[:close])):
        return text
    return text[close + len(CLOSE) :]
