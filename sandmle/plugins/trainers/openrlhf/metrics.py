"""OpenRLHF's log lines as figures. Its trainer says each step and each evaluation in one line. Pure.

A line comes from a Ray actor, so a prefix may stand before it; the figures are the text of a Python dictionary.
"""

import ast
import math
import re
from dataclasses import dataclass
from typing import Final, Literal

_STEP: Final = re.compile(r"Global step (\d+): (\{.*\})")
_EVALUATION: Final = re.compile(r"Evaluation completed in .*?, global_step (\d+), eval_metrics: (\{.*\})")
_WORDS: Final = {"nan": math.nan, "inf": math.inf}
FATAL: Final = ("policy_loss", "actor_grad_norm")
"""Figures that must be numbers for training to go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The figures of one line."""

    kind: Literal["step", "evaluation"]
    step: int
    figures: dict[str, float]

    def not_finite(self) -> str | None:
        """The first figure that ends a training by being no number."""
        return next((name for name in FATAL if not math.isfinite(self.figures.get(name, 0.0))), None)


def parse_line(line: str) -> Line | None:
    """None when the line is another one."""
    for kind, pattern in (("step", _STEP), ("evaluation", _EVALUATION)):
        found = pattern.search(line)
        if found:
            figures = _figures(found[2])
            if figures is not None:
                return Line(kind="step" if kind == "step" else "evaluation", step=int(found[1]), figures=figures)
    return None


def _figures(text: str) -> dict[str, float] | None:
    try:
        tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    if not isinstance(tree, ast.Dict) or None in tree.keys:
        return None
    found: dict[str, float] = {}
    for key, value in zip(tree.keys, tree.values, strict=True):
        number = _number(value)
        if isinstance(key, ast.Constant) and isinstance(key.value, str) and number is not None:
            found[key.value] = number
    return found


def _number(node: ast.expr) -> float | None:
    match node:
        case ast.Constant(value=int() | float() as value):
            return float(value)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            inner = _number(operand)
            return None if inner is None else -inner
        case ast.Name(id=name):
            return _WORDS.get(name)
        case _:
            return None
