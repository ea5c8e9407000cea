"""The search policy: which attempt to work on next, and with which operator. Pure; all chance comes from `rng`.

The rule is that of AIDE's reference implementation, which AIRA's greedy search kept: first so many drafts, then with
some probability a buggy leaf is debugged, else the best attempt is improved.
"""

import random
from dataclasses import dataclass

from sandmle.scaffolds.common.tree.journal import Attempt, Journal, Operator, Selection


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """The policy's settings."""

    drafts: int
    """Drafts made before anything else."""
    debug_probability: float
    max_debug_depth: int
    """A buggy leaf at the end of more debugging steps than this is left alone."""
    draft_depth: int = 0
    """Debug depth of a draft: 1 where drafts hang below a root that counts as buggy, as in AIRA-dojo."""
    select_by: Selection = Selection.VALIDATION


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What is to be done next."""

    operator: Operator
    parent: Attempt | None
    """What it works on; None for a draft."""
    reason: str


def choose(journal: Journal, search: Search, rng: random.Random) -> Choice:
    """The next operator and its parent. Draws from `rng` only once there are enough drafts."""
    if len(journal.drafts) < search.drafts:
        return Choice(operator=Operator.DRAFT, parent=None, reason="there are not enough drafts yet")
    if rng.random() < search.debug_probability:
        leaves = debuggable(journal, search)
        if leaves:
            leaf = rng.choice(leaves)
            return Choice(operator=Operator.DEBUG, parent=leaf, reason=f"one of {len(leaves)} buggy leaves, by chance")
    best = journal.best(search.select_by)
    if best is None:
        return Choice(operator=Operator.DRAFT, parent=None, reason="no attempt is good")
    return Choice(operator=Operator.IMPROVE, parent=best, reason=f"the best by {said(best, journal, search.select_by)}")


def debuggable(journal: Journal, search: Search) -> list[Attempt]:
    """Buggy attempts that nothing was made from yet, at the end of not too many debugging steps."""
    parents = {one.parent for one in journal.attempts}
    return [
        one
        for one in journal.buggy
        if one.number not in parents and debug_depth(journal, one, search.draft_depth) <= search.max_debug_depth
    ]


def debug_depth(journal: Journal, attempt: Attempt, draft_depth: int = 0) -> int:
    """Debugging steps in a row that lead to an attempt."""
    depth = 0
    parent = journal.parent_of(attempt)
    while parent is not None and parent.buggy:
        depth += 1
        attempt, parent = parent, journal.parent_of(parent)
    return depth + draft_depth if parent is None else depth


def said(attempt: Attempt, journal: Journal, selection: Selection) -> str:
    """An attempt's score in the words the record has it."""
    score = attempt.board if selection is Selection.PUBLIC_BOARD else attempt.score
    return f"{selection.value} score {'none' if score is None else f'{score:.6g}'} ({journal.direction.value})"
