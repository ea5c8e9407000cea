"""What an operator is reminded of, and how bold an idea it is asked for. Pure; the rules are AIRA-dojo's."""

from collections.abc import Iterable
from typing import Literal

from sandmle.scaffolds.aira.config import Memory
from sandmle.scaffolds.common.tree.journal import Attempt, Journal, Operator
from sandmle.scaffolds.common.tree.wording import SEPARATOR, shortened

NOTHING = "(nothing yet)"
NORMAL_FROM, COMPLEX_FROM = 2, 4
"""Earlier ideas from which on a normal or a complex one is asked for."""

Complexity = Literal["simple", "normal", "complex"]


def recall(memory: Memory, journal: Journal, parent: Attempt | None) -> str:
    """The memory of an operator that works on `parent`, or drafts when there is none."""
    match memory:
        case Memory.SIMPLE:
            return _joined(journal.good)
        case Memory.SIBLING:
            siblings = journal.drafts if parent is None else journal.children_of(parent)
            return _joined(siblings, only_plans=True)
        case Memory.ANCESTRAL:
            return _joined(_buggy_line(journal, parent))
        case Memory.NONE:
            return NOTHING


def complexity(journal: Journal, parent: Attempt | None) -> Complexity:
    """How bold the next draft, or the next improvement of `parent`, is to be."""
    before = len(journal.drafts if parent is None else journal.children_of(parent))
    if before < NORMAL_FROM:
        return "simple"
    return "normal" if before < COMPLEX_FROM else "complex"


def _buggy_line(journal: Journal, attempt: Attempt | None) -> list[Attempt]:
    """The attempt and its ancestors up to the nearest good one, the oldest first."""
    line: list[Attempt] = []
    while attempt is not None and attempt.buggy:
        line.append(attempt)
        attempt = journal.parent_of(attempt)
    return line[::-1]


def _joined(attempts: Iterable[Attempt], *, only_plans: bool = False) -> str:
    # An attempt whose reply held no plan or no program has nothing to be remembered by.
    return SEPARATOR.join(_summary(one, only_plans) for one in attempts if one.plan and one.code) or NOTHING


def _summary(attempt: Attempt, only_plans: bool) -> str:
    lines = [f"{'Repair' if attempt.operator is Operator.DEBUG else 'Design'}: {shortened(attempt.plan)}"]
    if only_plans:
        return lines[0]
    if not attempt.buggy:
        lines.append(f"Validation metric: {attempt.score}")
    lines.append(f"Analysis: {shortened(attempt.analysis)}")
    return "\n".join(lines)
