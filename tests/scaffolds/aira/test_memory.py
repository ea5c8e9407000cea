"""What AIRA's operators are reminded of."""

import pytest

from sandmle.scaffolds.aira.config import Memory
from sandmle.scaffolds.aira.memory import NOTHING, complexity, recall
from sandmle.scaffolds.common.tree.journal import Attempt, Journal, Operator


@pytest.fixture
def journal():
    """A good draft, a buggy draft with two repairs of which the last one works, and an improvement of that."""
    rows = [
        (Operator.DRAFT, None, 0.5),
        (Operator.DRAFT, None, None),
        (Operator.DEBUG, 1, None),
        (Operator.DEBUG, 2, 0.7),
        (Operator.IMPROVE, 3, None),
    ]
    made = Journal()
    for number, (operator, parent, score) in enumerate(rows):
        attempt = Attempt(
            number=number,
            operator=operator,
            parent=parent,
            plan=f"plan {number}",
            code="pass",
            analysis=f"found {number}",
            buggy=score is None,
            score=score,
        )
        made = made.with_attempt(attempt)
    return made


def test_simple_memory_is_everything_good(journal):
    assert recall(Memory.SIMPLE, journal, None) == (
        "Design: plan 0\nValidation metric: 0.5\nAnalysis: found 0\n---\n"
        "Repair: plan 3\nValidation metric: 0.7\nAnalysis: found 3"
    )


def test_ancestral_memory_is_the_debugging_done_so_far_and_stops_at_what_worked(journal):
    line = recall(Memory.ANCESTRAL, journal, journal.attempts[2])
    assert line == "Design: plan 1\nAnalysis: found 1\n---\nRepair: plan 2\nAnalysis: found 2"
    assert recall(Memory.ANCESTRAL, journal, journal.attempts[4]) == "Design: plan 4\nAnalysis: found 4"


def test_sibling_memory_is_plans_of_the_same_parent(journal):
    assert recall(Memory.SIBLING, journal, None) == "Design: plan 0\n---\nDesign: plan 1"
    assert recall(Memory.SIBLING, journal, journal.attempts[3]) == "Design: plan 4"
    assert recall(Memory.SIBLING, journal, journal.attempts[0]) == NOTHING


def test_no_memory_and_an_empty_journal_say_so(journal):
    assert recall(Memory.NONE, journal, None) == NOTHING
    assert recall(Memory.SIMPLE, Journal(), None) == NOTHING


def test_complexity_counts_what_was_made_from_the_same_parent(journal):
    assert complexity(journal, None) == "normal"
    assert complexity(journal, journal.attempts[3]) == "simple"
    assert complexity(Journal(), None) == "simple"
