"""Shortens text for a model's eyes, keeping the head and the tail. Pure."""

MARK = "\n... [{left_out} characters left out] ...\n"


def head_and_tail(text: str, limit: int) -> str:
    """`text` if it has at most `limit` characters, else its head and tail around a mark that counts the rest.

    The result is never longer than `limit`, unless `limit` is too small for the mark itself.

    >>> head_and_tail("abc", 3)
    'abc'
    >>> len(head_and_tail("x" * 1000, 200))
    200
    """
    if len(text) <= limit:
        return text
    # The count's own width depends on the count; the widest it can be is taken.
    room = max(0, limit - len(MARK.format(left_out=len(text))))
    head, tail = room - room // 2, room // 2
    mark = MARK.format(left_out=len(text) - head - tail)
    return text[:head] + mark + text[len(text) - tail :]
