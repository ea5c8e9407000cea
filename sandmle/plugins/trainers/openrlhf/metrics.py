"""OpenRLHF's log lines as figures. Its GRPO says each step and each evaluation in one line, its SFT by a progress bar.

A line may come from a Ray actor, so a prefix may stand before it; the figures are the text of a Python dictionary.
"""

import ast
import math
import re
from dataclasses import dataclass
from statistics import fmean
from typing import Final, Literal

_STEP: Final = re.compile(r"Global step (\d+): (\{.*\})")
_EVALUATION: Final = re.compile(r"Evaluation completed in .*?, global_step (\d+), eval_metrics: (\{.*\})")
_WORDS: Final = {"nan": math.nan, "inf": math.inf}
_BAR: Final = re.compile(r"Train step of epoch (\d+):.*?\| (\d+)/(\d+) \[[^]]*?, (gpt_loss=[^]]*)\]")
_SHOWN: Final = re.compile(r"(\w+)=([\w.+-]+)")
FATAL: Final = ("policy_loss", "actor_grad_norm", "gpt_loss", "grad_norm")
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


class SftBar:
    """The steps of an SFT off its progress bar, which is all that is printed of them.

    The bar counts micro-batches. After the last of a step's it is shown once for each of them, with its figures; in
    between it may be shown with those that it had before.
    """

    def __init__(self, *, done: int, window: int) -> None:
        """Read from a start on.

        Args:
            done: steps of the checkpoint that is gone on from. OpenRLHF counts the rest of its epoch from 0.
            window: micro-batches of a step.
        """
        self._done = done * window
        self._window = window
        self._count = 0
        self._text = ""
        self._rows: list[dict[str, float]] = []

    def read(self, line: str) -> Line | None:
        """The figures of a step, means over its micro-batches, once all of them have been shown."""
        found = _BAR.search(line)
        if found is None:
            return None
        epoch, number, size = int(found[1]), int(found[2]), int(found[3])
        count = number + (self._done if epoch == self._done // size else epoch * size)
        seen, self._text = found[4] == self._text, found[4]
        if count != self._count:
            self._count, self._rows = count, []
            if seen:
                return None
        if count % self._window:
            return None
        self._rows.append({name: float(value) for name, value in _SHOWN.findall(found[4]) if _is_number(value)})
        if len(self._rows) != self._window:
            return None
        figures = {name: fmean(row.get(name, math.nan) for row in self._rows) for name in self._rows[0]}
        return Line(kind="step", step=count // self._window, figures=figures)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


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
