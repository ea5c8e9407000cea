"""Whether the tokens in the loss are what the policy wrote, and nothing else: held against stored episodes, in words.

What is trained comes as the rows of the very tensors that a loss is computed from. What the policy wrote comes from the
record: its ids and its text. Neither is derived from the other here.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from sandmle.core.errors import PluginError
from sandmle.core.types.episode import Episode

Decode = Callable[[Sequence[int]], str]
"""Text of ids; special tokens have none."""

SHOWN: Final = 48
"""Characters of a text that a message shows."""
BROKEN: Final = "\ufffd"
"""What bytes that are no whole character decode to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskReport:
    """What came of one audit."""

    rows: int
    tokens: int
    problem: str | None
    """None when all that is trained was written by the policy."""

    def require(self) -> None:
        """Go on only when nothing is wrong.

        Raises:
            PluginError: something is trained that the policy did not write.
        """
        if self.problem is not None:
            raise PluginError(f"mask canary: {self.problem}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One reply of the policy, by its record."""

    ids: tuple[int, ...]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What the policy wrote in one segment."""

    where: str
    turns: tuple[Turn, ...]

    def ids(self) -> tuple[int, ...]:
        return tuple(token for turn in self.turns for token in turn.ids)


def audit_masks(trained: Iterable[Sequence[int]], episodes: Iterable[Episode], decode: Decode) -> MaskReport:
    """Find for every row of trained ids the segment that the policy wrote with exactly these, and read both.

    Args:
        trained: the target ids of one sequence each, in order, as the loss looks at them.
        episodes: as stored; those that are not trained may be among them.
        decode: of the policy's tokenizer.
    """
    return audit_rows(trained, [one for episode in episodes for one in written_in(episode)], decode)


def audit_rows(trained: Iterable[Sequence[int]], written: Sequence[Written], decode: Decode) -> MaskReport:
    """As `audit_masks`, where what the policy wrote has come another way than in stored episodes."""
    rows = [tuple(row) for row in trained]
    known = {one.ids(): one for one in written}
    strange = [row for row in rows if row not in known]
    problem = _strange(strange[0], written, decode, len(strange)) if strange else _too_often(rows, written)
    misread = (_misread(known[row], decode) for row in rows if row in known)
    problem = problem or next((one for one in misread if one), None)
    return MaskReport(rows=len(rows), tokens=sum(map(len, rows)), problem=problem)


def written_in(episode: Episode) -> Iterator[Written]:
    """What the policy wrote in each segment in which it did."""
    for number, segment in enumerate(episode.trajectory.segments):
        replies = [entry.reply for entry in segment.entries if entry.reply is not None]
        turns = tuple(Turn(ids=tuple(reply.sampled_ids or ()), text=reply.text) for reply in replies)
        if turns:
            yield Written(where=f"episode {episode.episode_id}, segment {number}", turns=turns)


def _strange(row: tuple[int, ...], written: Sequence[Written], decode: Decode, more: int) -> str:
    """In words: a row that nobody wrote, beside what comes nearest."""
    nearest = max(written, key=lambda one: _alike(row, one.ids()), default=None)
    if nearest is None:
        return f"{len(row)} tokens are trained, but the policy wrote none: {_shown(decode(row))}"
    at, theirs = _first_difference(row, nearest.ids()), nearest.ids()
    return (
        f"{more} sequences are trained that the policy did not write. In {nearest.where}, from its token {at} on, the "
        f"loss takes {_shown(decode(row[at:]))} where the policy wrote {_shown(decode(theirs[at:]))}"
        f"{_shift(row, nearest.turns)}"
    )


def _misread(one: Written, decode: Decode) -> str | None:
    """In words: ids that do not say what the reply said."""
    for number, turn in enumerate(one.turns):
        text = decode(turn.ids)
        # A stop string and what comes after it stand in the ids only; engines write half a character in many ways.
        if not text.startswith(turn.text) and not (BROKEN in text and BROKEN in turn.text):
            return (
                f"the ids of {one.where}, reply {number}, say {_shown(text)}, but the policy's reply was "
                f"{_shown(turn.text)}: they were encoded anew or belong to another reply"
            )
    return None


def _too_often(rows: Sequence[tuple[int, ...]], written: Sequence[Written]) -> str | None:
    """In words: a segment that is trained more often than it was played."""
    there = Counter(one.ids() for one in written)
    many = next(((row, count) for row, count in Counter(rows).items() if count > there[row]), None)
    if many is None:
        return None
    row, count = many
    where = next(one.where for one in written if one.ids() == row)
    return f"what the policy wrote in {where} is trained {count} times, but was written {there[row]} times"


def _shift(row: tuple[int, ...], turns: Sequence[Turn]) -> str:
    """The end of a message, when every reply is in the row but for a step."""
    late = early = True
    at = 0
    for turn in turns:
        theirs = turn.ids
        ours = row[at : at + len(theirs)]
        late = late and ours[: len(theirs) - 1] == theirs[1:]
        early = early and ours[1:] == theirs[:-1]
        at += len(theirs)
    if late == early:
        return ""
    return f": the mask is one token {'late' if late else 'early'}"


def _first_difference(a: Sequence[int], b: Sequence[int]) -> int:
    return next((at for at, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _alike(a: tuple[int, ...], b: tuple[int, ...]) -> int:
    """How many tokens both share in order, a step to the left or right allowed."""
    return max(sum(x == y for x, y in zip(a[s:], b[t:], strict=False)) for s, t in ((0, 0), (1, 0), (0, 1)))


def _shown(text: str) -> str:
    return repr(text if len(text) <= SHOWN else text[:SHOWN] + "...")
