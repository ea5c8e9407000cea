"""Markdown code fences around code that a model wrote. Pure."""

import re

_FENCED = re.compile(r"\s*```[\w+-]*[ \t]*\n(.*?)(?:\n[ \t]*```\s*)?\Z", re.DOTALL)


def without_fence(code: str) -> str:
    r"""`code` without the one fence around the whole of it, if there is one; blank lines at the ends go too.

    >>> without_fence("```python\nprint(1)\n```")
    'print(1)'
    >>> without_fence("print('```')")
    "print('```')"
    """
    fenced = _FENCED.match(code)
    return (fenced[1] if fenced else code).strip("\r\n").rstrip()
