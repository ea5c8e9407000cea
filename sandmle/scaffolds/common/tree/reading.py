"""Reads what the policy says in a tree search: a plan with a program, or a review. Pure.

Nothing that a reply claims about tools, scores or output counts for more than words: a program counts by what
running it does, and a review by which attempt it makes the search prefer.
"""

import ast
import json
import math
import re
import warnings
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from sandmle.scaffolds.common.blocks import read_blocks
from sandmle.scaffolds.common.thoughts import without_thought

MAX_PROGRAM_CHARS: Final = 100_000
"""Ten times what a program for a micro task comes to."""
MAX_REPLY_CHARS: Final = 400_000
REVIEW_CHARS: Final = 8000
"""Characters from the end of a reply that are searched for a review."""
MAX_OBJECTS: Final = 200
"""Opening braces of a reply at which a review is looked for."""

_OBJECT: Final = re.compile(r'\{(?=\s*(?:"|//|/\*|\}))')
_LENIENT: Final = re.compile(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/|,(?=\s*[}\]])', re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A reply that holds a program."""

    plan: str
    """What stands before the code."""
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """What the policy makes of a program's output."""

    is_bug: bool
    summary: str
    metric: float | None
    lower_is_better: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """A reply that is not what was asked for."""

    problem: str


class _ReviewFields(BaseModel):
    # A field more than was asked for does no harm.
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    is_bug: bool | None = None
    summary: str | None = None
    metric: Any = None
    lower_is_better: bool | None = None


def read_program(text: str, *, needs_plan: bool, cut: bool = False) -> Program | Unreadable:
    """The program of a reply: its Python blocks that compile, joined, else the whole reply if that is Python.

    Args:
        text: the reply. A thought at its beginning is left out.
        needs_plan: whether a program without any words before it is refused.
        cut: whether the token limit ended the reply.
    """
    if len(text) > MAX_REPLY_CHARS:
        return Unreadable(problem=f"the reply has {len(text)} characters, more than {MAX_REPLY_CHARS}")
    answer = without_thought(text).strip()
    blocks = read_blocks(answer)
    if blocks and not blocks[-1].closed:
        reason = "the token limit cut the reply" if cut else "it has no closing fence"
        return Unreadable(problem=f"the code block is not closed: {reason}")
    plan = answer[: blocks[0].start].strip() if blocks else ""
    programs = [block.code for block in blocks if block.is_python]
    if not blocks and is_bare_program(answer):
        programs = [answer]
    code = "\n\n".join(one for one in programs if is_python(one))
    if not code.strip():
        return Unreadable(problem="the reply holds no Python code block that compiles")
    if len(code) > MAX_PROGRAM_CHARS:
        return Unreadable(problem=f"the program has {len(code)} characters, more than {MAX_PROGRAM_CHARS}")
    if needs_plan and not plan:
        return Unreadable(problem="no plan stands before the code block")
    return Program(plan=plan, code=code)


def read_review(text: str) -> Review | Unreadable:
    """The last JSON object of a reply that is a review. Comments and trailing commas in it are forgiven.

    A metric that is not a finite number is no metric. Without `is_bug`, an attempt with a metric is taken for good.
    """
    if len(text) > MAX_REPLY_CHARS:
        return Unreadable(problem=f"the reply has {len(text)} characters, more than {MAX_REPLY_CHARS}")
    answer = without_thought(text)[-REVIEW_CHARS:]
    found = _last_review(answer) or _last_review(_LENIENT.sub(lambda match: match[1] or "", answer))
    if found is None:
        return Unreadable(problem="the reply holds no JSON object with is_bug, summary, metric and lower_is_better")
    metric = _number(found.metric)
    return Review(
        is_bug=metric is None if found.is_bug is None else found.is_bug,
        summary=(found.summary or "").strip(),
        metric=metric,
        lower_is_better=found.lower_is_better,
    )


def is_python(code: str) -> bool:
    """Whether a text compiles. It is not run."""
    return _compiled(code) is not None


def is_bare_program(text: str) -> bool:
    """Whether a text without fences is Python that does something: a lone word or an empty object compiles too."""
    tree = _compiled(text)
    body = tree.body if tree is not None else []
    return any(not isinstance(one, ast.Expr) or isinstance(one.value, ast.Call) for one in body)


def _compiled(code: str) -> ast.Module | None:
    if len(code) > MAX_PROGRAM_CHARS:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(code)
            compile(_with_bare_ends(tree), "program", "exec", dont_inherit=True)
    # The compiler gives up on deep nesting and on null bytes in ways of its own.
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        return None
    return tree


def _with_bare_ends(tree: ast.Module) -> ast.Module:
    """The tree with every `finally` moved to the end of what it is to follow.

    The compiler writes one out once for every way out of its `try`: nineteen of them in one another, which is a
    thousand characters, take gigabytes.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Try | ast.TryStar) and node.finalbody:
            bare = ast.copy_location(ast.Pass(), node.finalbody[0])
            node.body, node.finalbody = [*node.body, *node.finalbody], [bare]
    return tree


def _last_review(text: str) -> _ReviewFields | None:
    decoder = json.JSONDecoder(strict=False)
    found: _ReviewFields | None = None
    at = 0
    for _ in range(MAX_OBJECTS):
        brace = _OBJECT.search(text, at)
        if brace is None:
            break
        try:
            value, at = decoder.raw_decode(text, brace.start())
            if isinstance(value, dict) and ("is_bug" in value or "metric" in value):
                found = _ReviewFields.model_validate(value)
        except (ValueError, RecursionError, ValidationError):
            at = max(at, brace.end())
    return found


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
