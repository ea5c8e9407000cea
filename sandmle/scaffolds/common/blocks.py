r"""Finds the code in a reply that holds prose around it: fenced blocks as in CommonMark. Pure, in linear time."""

from dataclasses import dataclass
from typing import Final

PYTHON: Final = frozenset({"", "python", "py", "python3", "ipython"})
"""What the info string of a block of Python may say."""
FENCES: Final = ("`", "~")
SHORTEST_FENCE: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One fenced block."""

    language: str
    """First word after the fence, in lower case."""
    code: str
    closed: bool
    """Whether it has a closing fence; one that has none goes to the end of the text."""
    start: int
    """Where its opening fence begins in the text."""
    end: int

    @property
    def is_python(self) -> bool:
        return self.language in PYTHON


def read_blocks(text: str) -> tuple[Block, ...]:
    r"""Every fenced block in order. A fence inside a block does not close it when it names a language or is shorter.

    >>> [block.code for block in read_blocks("so\n```python\nprint(1)\n```\nand\n```\nprint(2)")]
    ['print(1)', 'print(2)']
    """
    found: list[Block] = []
    opened: tuple[str, str] | None = None
    start, at = 0, 0
    body: list[str] = []
    # Only a line feed ends a line for CommonMark and for Python alike.
    for line in text.split("\n"):
        after = min(at + len(line) + 1, len(text))
        fence, info = _read_fence(line)
        if opened is None:
            if fence and fence[0] not in info:
                opened, start, body = (fence, info.split(maxsplit=1)[0].lower() if info else ""), at, []
        elif not info and fence.startswith(opened[0]):
            found.append(_block(opened[1], body, start, after, closed=True))
            opened = None
        else:
            body.append(line)
        at = after
    if opened is not None:
        found.append(_block(opened[1], body, start, at, closed=False))
    return tuple(found)


def _read_fence(line: str) -> tuple[str, str]:
    """The fence that a line begins with, and what follows it; two empty texts for a line without."""
    line = line.strip()
    for mark in FENCES:
        rest = line.lstrip(mark)
        if len(line) - len(rest) >= SHORTEST_FENCE:
            return line[: len(line) - len(rest)], rest.strip()
    return "", ""


def _block(language: str, body: list[str], start: int, end: int, *, closed: bool) -> Block:
    code = "\n".join(body).strip("\r\n").rstrip()
    return Block(language=language, code=code, closed=closed, start=start, end=end)
