"""The search policy over hand-made journals."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandmle.core.types.score import Direction
from sandmle.scaffolds.common.tree.journal import Attempt, Journal, Operator, Selection
from sandmle.scaffolds.common.tree.search import Search, choose, debug_depth, debuggable

SEARCH = Search(drafts=2, debug_probability=1.0, max_debug_depth=1)


def journal(*rows, direction=Direction.MAXIMIZE):
    """Rows of (parent, score); no score is a bug."""
    made = Journal()
    for number, (parent, score) in enumerate(rows):
        operator = Operator.DRAFT if parent is None else Operator.IMPROVE
        if parent is not None and made.attempts[parent].buggy:
            operator = Operator.DEBUG
        attempt = Attempt(
            number=number,
            operator=operator,
            parent=parent,
            plan=f"plan {number}",
            code="pass",
            buggy=score is None,
            score=score,
            direction=None if score is None else direction,
        )
        made = made.with_attempt(attempt)
    return made


def test_drafts_come_first_and_draw_no_chance():
    rng = random.Random(0)
    assert choose(journal((None, 0.5)), SEARCH, rng).operator is Operator.DRAFT
    assert rng.random() == random.Random(0).random()


def test_a_buggy_leaf_is_debugged():
    choice = choose(journal((None, 0.5), (None, None)), SEARCH, random.Random(0))
    assert (choice.operator, choice.parent.number) == (Operator.DEBUG, 1)


def test_a_buggy_attempt_that_was_worked_on_is_no_leaf():
    tree = journal((None, None), (None, 0.5), (0, 0.6))
    choice = choose(tree, SEARCH, random.Random(0))
    assert (choice.operator, choice.parent.number) == (Operator.IMPROVE, 2)


def test_too_deep_a_line_of_bugs_is_left_alone():
    tree = journal((None, None), (None, 0.5), (0, None), (2, None))
    assert [debug_depth(tree, one) for one in tree.attempts] == [0, 0, 1, 2]
    assert debuggable(tree, SEARCH) == []
    assert [one.number for one in debuggable(tree, Search(drafts=2, debug_probability=1.0, max_debug_depth=2))] == [3]


def test_a_draft_below_a_buggy_root_counts_as_one_debugging_step():
    tree = journal((None, None), (0, None), (None, 0.5), (2, None))
    assert [debug_depth(tree, one, 1) for one in tree.attempts] == [1, 2, 1, 0]


def test_without_anything_good_another_draft_is_made():
    never = Search(drafts=1, debug_probability=0.0, max_debug_depth=3)
    choice = choose(journal((None, None)), never, random.Random(0))
    assert (choice.operator, choice.reason) == (Operator.DRAFT, "no attempt is good")


@pytest.mark.parametrize(("direction", "best"), [(Direction.MAXIMIZE, 1), (Direction.MINIMIZE, 0)])
def test_the_best_follows_the_direction_and_the_earlier_of_equals(direction, best):
    tree = journal((None, 0.2), (None, 0.9), (None, 0.9), (None, 0.2), direction=direction)
    assert tree.best().number == best


def test_a_later_review_cannot_turn_the_direction_round():
    tree = journal((None, 0.2), (None, 0.9), direction=Direction.MINIMIZE)
    turned = tree.with_attempt(
        Attempt(
            number=2,
            operator=Operator.DRAFT,
            parent=None,
            plan="",
            code="",
            buggy=False,
            score=5.0,
            direction=Direction.MAXIMIZE,
        )
    )
    assert turned.best().number == 0


def test_under_the_board_an_attempt_without_its_score_ranks_last():
    tree = journal((None, 0.9), (None, 0.1))
    shown = Journal(attempts=(tree.attempts[0], Attempt(**{**_fields(tree.attempts[1]), "board": 0.3})))
    assert shown.best(Selection.PUBLIC_BOARD).number == 1
    assert shown.best(Selection.VALIDATION).number == 0


def _fields(attempt):
    return {name: getattr(attempt, name) for name in Attempt.__slots__}


def test_an_attempt_must_carry_the_next_number():
    with pytest.raises(ValueError, match="cannot follow"):
        journal((None, 0.5)).with_attempt(journal((None, 0.5)).attempts[0])


@given(
    st.lists(st.none() | st.floats(0, 1), max_size=12),
    st.integers(1, 4),
    st.floats(0, 1),
    st.integers(0, 3),
    st.integers(0, 2**32),
)
def test_every_choice_suits_its_parent_and_the_same_seed_chooses_the_same(scores, drafts, probability, depth, seed):
    search = Search(drafts=drafts, debug_probability=probability, max_debug_depth=depth)
    tree, rng = Journal(), random.Random(seed)
    for number, score in enumerate(scores):
        again = random.Random()
        again.setstate(rng.getstate())
        choice = choose(tree, search, rng)
        assert choice == choose(tree, search, again)
        match choice.operator:
            case Operator.DRAFT:
                assert choice.parent is None
            case Operator.DEBUG:
                assert choice.parent.buggy
                assert not tree.children_of(choice.parent)
            case Operator.IMPROVE:
                assert choice.parent == tree.best()
        tree = tree.with_attempt(
            Attempt(
                number=number,
                operator=choice.operator,
                parent=None if choice.parent is None else choice.parent.number,
                plan="",
                code="",
                buggy=score is None,
                score=score,
            )
        )
