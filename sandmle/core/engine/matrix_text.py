"""The table of a matrix as lines for a person."""

import math
from collections.abc import Sequence
from typing import Final

from sandmle.core.engine.matrix_table import Matrix, MatrixCell
from sandmle.core.types.report import Estimate

HEADINGS: Final = (
    *("scaffold", "model", "any medal", "gold", "valid", "HumanRank", "gain in HumanRank", "relative", "trained under"),
)
STOPPED: Final = "stopped short; the same command goes on from there"


def matrix_text(matrix: Matrix) -> str:
    """One line per cell, gains over the first model paired by task, intervals of 95 %."""
    rows = [HEADINGS, *(_row(cell) for cell in matrix.cells)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        f"{matrix.tasks} tasks of {matrix.families} rule families, {matrix.group_size} episodes each; means with 95 % "
        f"intervals; gains are over {matrix.base!r} under the same scaffold, paired by task",
        *("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows),
        *(f"{cell.name} under {cell.scaffold}: {_short(cell)}" for cell in matrix.cells if _short(cell)),
    ]
    lines += [] if matrix.complete else [STOPPED]
    return "\n".join(lines)


def relative(value: float) -> str:
    """A relative gain as a percentage; over nothing, it is infinite.

    >>> relative(0.25), relative(-0.5), relative(float("inf")), relative(float("nan"))
    ('+25 %', '-50 %', '∞', '-')
    """
    if math.isnan(value):
        return "-"
    return "∞" if math.isinf(value) else f"{100 * value:+.0f} %"


def _row(cell: MatrixCell) -> Sequence[str]:
    shown = (_interval(cell.measures[name], "") for name in ("any_medal", "gold", "valid", "human_rank"))
    gain = cell.gains.get("human_rank")
    gained = ("", "") if gain is None else (_interval(gain.difference, "+"), _share(gain.relative))
    return (cell.scaffold, cell.name, *shown, *gained, ", ".join(cell.trained_under))


def _interval(value: Estimate, sign: str) -> str:
    return f"{value.mean:{sign}.3f} [{value.low:{sign}.3f}, {value.high:{sign}.3f}]" if value.tasks else "-"


def _share(value: Estimate) -> str:
    return f"{relative(value.mean)} [{relative(value.low)}, {relative(value.high)}]" if value.tasks else "-"


def _short(cell: MatrixCell) -> str:
    """What a reader of the numbers must know beside them; empty when there is nothing."""
    if cell.episodes < cell.expected:
        return f"{cell.episodes} of {cell.expected} episodes"
    if cell.infrastructure_rate > 0:
        return f"{100 * cell.infrastructure_rate:.1f} % of the episodes were lost to the infrastructure and left out"
    return ""
