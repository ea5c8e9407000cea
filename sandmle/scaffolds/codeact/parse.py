"""Reads a reply of CodeAct: its code, whether the submission is to be looked at, whether the work is done. Pure.

Code stands in `<execute>` tags, as in the paper, or in a fenced block of Python. A last line `submit()` is not
run but has `submission.csv` looked at. What follows an observation that the model made up is ignored.
"""

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sandmle.core.types.trajectory import Action, ActionKind
from sandmle.scaffolds.common.blocks import Block, read_blocks
from sandmle.scaffolds.common.fences import without_fence
from sandmle.scaffolds.common.speech import invalid
from sandmle.scaffolds.common.thoughts import without_thought

EXPECTED: Final = (
    "Expected code to run: <execute>\nprint(1)\n</execute>\n"
    "with submit() as its last line to have submission.csv looked at, or <solution>submission</solution> to finish."
)
_OPEN, _CLOSE, _SOLUTION = "<execute>", "</execute>", "<solution>"
_MADE_UP: Final = re.compile(r"^[ \t]*Observation:", re.MULTILINE)
# A closing tag counts when it ends its line or a tag follows it, so that code may hold the tag as text.
_CLOSING: Final = re.compile(r"</execute>(?=[ \t]*(?:\r?\n|<|\Z))")
_SUBMIT: Final = re.compile(r"[ \t]*submit\(\)[ \t]*(?:;[ \t]*)?(?:#.*)?\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadReply:
    """What a reply asks for, in order."""

    actions: tuple[Action, ...]
    done: bool
    """Whether it also says that the work is done, which counts after the code has run."""
    ignored: bool = False
    """Whether it went on after an observation that it made up itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    code: str
    closed: bool


_Span = tuple[int, int, _Piece | None]
"""Where something stands that is no prose, and the code it is; None for a block in another language."""


def read_reply(text: str, *, cut: bool = False) -> ReadReply:
    """Read one reply; `cut` says that the token limit ended it.

    A reply with neither code nor a solution gives one `invalid` action that says what was expected.
    """
    pieces, prose, ignored = _taken_apart(without_thought(text))
    done = _SOLUTION in prose
    if cut and pieces and not pieces[-1].closed:
        problem = "the reply was cut by the token limit in the middle of its code; nothing was run"
        return ReadReply(actions=(invalid(problem, EXPECTED),), done=False, ignored=ignored)
    actions = _actions("\n".join(piece.code for piece in pieces if piece.code.strip()))
    if not actions and not done:
        actions = (invalid(_problem(text, pieces, cut), EXPECTED),)
    return ReadReply(actions=actions, done=done, ignored=ignored)


def _problem(text: str, pieces: Sequence[_Piece], cut: bool) -> str:
    if pieces:
        return "the code is empty"
    if cut:
        return "the reply was cut by the token limit before it held code"
    return "no code block holds Python" if read_blocks(text) else "the reply holds no code"


def _actions(code: str) -> tuple[Action, ...]:
    head, _, last = code.rstrip().rpartition("\n")
    submits = bool(_SUBMIT.match(last))
    code = head if submits else code
    run = (Action(kind=ActionKind.RUN_CODE, code=code),) if code.strip() else ()
    return (*run, Action(kind=ActionKind.SUBMIT)) if submits else run


def _taken_apart(text: str) -> tuple[list[_Piece], str, bool]:
    """Its pieces of code, its prose, and whether it went on after a made-up observation."""
    blocks, tag = read_blocks(text), text.find(_OPEN)
    # Whichever form comes first is the one that is spoken: the other may stand inside of its code as text.
    first = min((block.start for block in blocks if block.is_python), default=len(text))
    spans = _tagged(text) if 0 <= tag < first else _fenced(blocks)
    pieces: list[_Piece] = []
    prose: list[str] = []
    at = 0
    for start, end, piece in spans:
        between = text[at:start]
        if pieces and (made_up := _MADE_UP.search(between)):
            return pieces, "".join((*prose, between[: made_up.start()])), True
        prose.append(between)
        pieces += [piece] if piece is not None else []
        at = end
    rest = text[at:]
    made_up = _MADE_UP.search(rest) if pieces else None
    return pieces, "".join((*prose, rest[: made_up.start()] if made_up else rest)), made_up is not None


def _tagged(text: str) -> list[_Span]:
    # Closing tags are looked up once: a search from every opening tag takes minutes on a megabyte of tags.
    ends = [found.start() for found in _CLOSING.finditer(text)]
    plain = [found.start() for found in re.finditer(_CLOSE, text)]
    spans: list[_Span] = []
    start = text.find(_OPEN)
    while start >= 0:
        inside = start + len(_OPEN)
        # Code on the line of its tag ends there; other code ends where a closing tag ends a line, if one does.
        own_lines = text[inside : inside + 2].lstrip("\r")[:1] == "\n"
        end = (_next(ends, inside) if own_lines else None) or _next(plain, inside)
        code = without_fence(text[inside : end or len(text)])
        after = end + len(_CLOSE) if end else len(text)
        spans.append((start, after, _Piece(code=code, closed=end is not None)))
        start = text.find(_OPEN, after)
    return spans


def _next(places: list[int], at: int) -> int | None:
    found = bisect_left(places, at)
    return places[found] if found < len(places) else None


def _fenced(blocks: Sequence[Block]) -> list[_Span]:
    return [
        (block.start, block.end, _Piece(code=block.code, closed=block.closed) if block.is_python else None)
        for block in blocks
    ]
