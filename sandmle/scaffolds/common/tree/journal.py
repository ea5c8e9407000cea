"""The solution tree as frozen data: attempts, and what each came to. Pure."""

import math
from dataclasses import dataclass, replace
from enum import StrEnum

from sandmle.core.types.score import Direction


class Operator(StrEnum):
    """What writes a program."""

    DRAFT = "draft"
    """From nothing."""
    DEBUG = "debug"
    """From a buggy attempt."""
    IMPROVE = "improve"
    """From a good attempt."""


class Selection(StrEnum):
    """Which score tells the better of two attempts. Hidden scores never do."""

    VALIDATION = "validation"
    """The one that the attempt's program measured itself, as its review reports it."""
    PUBLIC_BOARD = "public_board"
    """The one that the public board showed for its submission."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A node of the tree: one program, and what came of it."""

    number: int
    """Position in the journal, from 0."""
    operator: Operator
    parent: int | None
    """Number of the attempt it was written from; None for a draft."""
    plan: str
    code: str
    output: str = ""
    """What running it printed, shortened."""
    failed: bool = False
    """Whether it raised, ran out of time, or could not be run."""
    analysis: str = ""
    """What the review says of it."""
    buggy: bool = True
    score: float | None = None
    """Its validation score; there is one exactly when it is not buggy."""
    direction: Direction | None = None
    """Which scores are better, as its review says."""
    board: float | None = None
    """The public board's score of its submission, where one was shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """The attempts in the order made. Each operation gives a new journal."""

    attempts: tuple[Attempt, ...] = ()

    def with_attempt(self, attempt: Attempt) -> "Journal":
        """This journal and one attempt more.

        Raises:
            ValueError: the attempt does not carry the next number.
        """
        if attempt.number != len(self.attempts):
            raise ValueError(f"attempt {attempt.number} cannot follow {len(self.attempts)} others")
        return replace(self, attempts=(*self.attempts, attempt))

    @property
    def drafts(self) -> tuple[Attempt, ...]:
        return tuple(one for one in self.attempts if one.parent is None)

    @property
    def buggy(self) -> tuple[Attempt, ...]:
        return tuple(one for one in self.attempts if one.buggy)

    @property
    def good(self) -> tuple[Attempt, ...]:
        return tuple(one for one in self.attempts if not one.buggy)

    @property
    def direction(self) -> Direction:
        """What the first good attempt's review said: the metric does not change, whatever later reviews say."""
        said = (one.direction for one in self.good if one.direction is not None)
        return next(said, Direction.MAXIMIZE)

    def parent_of(self, attempt: Attempt) -> Attempt | None:
        return None if attempt.parent is None else self.attempts[attempt.parent]

    def children_of(self, attempt: Attempt) -> tuple[Attempt, ...]:
        return tuple(one for one in self.attempts if one.parent == attempt.number)

    def best(self, selection: Selection = Selection.VALIDATION) -> Attempt | None:
        """The best good attempt, the earlier of equal ones; None when none is good.

        Under `public_board` an attempt that the board showed no score for ranks below every other.
        """
        best: Attempt | None = None
        for one in self.good:
            if best is None or self._value(one, selection) > self._value(best, selection):
                best = one
        return best

    def _value(self, attempt: Attempt, selection: Selection) -> float:
        """More is better."""
        score = attempt.board if selection is Selection.PUBLIC_BOARD else attempt.score
        if score is None:
            return -math.inf
        return score if self.direction is Direction.MAXIMIZE else -score
