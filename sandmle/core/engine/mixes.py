"""What kinds of task a corpus shall hold, in which shares, and which kind a draft has to be for the shares to be met.

A mix works on what was accepted: a kind whose drafts fail more often is drafted more often. A draft's wish depends on
the drafts before it alone, so that the corpus does not depend on the number of workers.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, TypeVar

T = TypeVar("T")
Kind = tuple[str, str]
"""Modality and task type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """Shares, each table summing to 1."""

    name: str
    kinds: Mapping[Kind, float]
    sectors: Mapping[str, float]
    difficulties: Mapping[str, float]
    seeds: tuple[str, ...] = ("builtin", "kinds")
    """Seed sources it draws from where none are named."""

    @property
    def modalities(self) -> Mapping[str, float]:
        """Share of each modality."""
        shares: dict[str, float] = {}
        for (modality, _), share in self.kinds.items():
            shares[modality] = shares.get(modality, 0.0) + share
        return shares

    def kinds_of(self, modality: str) -> Mapping[Kind, float]:
        """Shares of the kinds of one modality, among themselves."""
        own = {kind: share for kind, share in self.kinds.items() if kind[0] == modality}
        return {kind: share / sum(own.values()) for kind, share in own.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a draft is to be."""

    kind: Kind
    turn: int
    """How many drafts of the kind were begun before: which of its seeds is meant."""
    sector: str
    difficulty: str


def _shares(**percent: float) -> Mapping[str, float]:
    total = sum(percent.values())
    return MappingProxyType({name.replace("_", " "): value / total for name, value in percent.items()})


def _kinds(**by_modality: Mapping[str, float]) -> Mapping[Kind, float]:
    percent = {(modality, one): value for modality, types in by_modality.items() for one, value in types.items()}
    return MappingProxyType({kind: value / sum(percent.values()) for kind, value in percent.items()})


_EVEN: Final = {
    "tabular": ("classification", "regression", "multilabel", "ranking", "forecasting"),
    "text": ("classification", "regression", "multilabel", "ranking"),
    "image": ("classification", "regression", "multilabel", "ranking", "reconstruction"),
    "multimodal": ("classification", "regression", "ranking"),
    "graph": ("classification", "regression", "ranking"),
    "audio": ("classification", "regression", "multilabel", "reconstruction"),
    "series": ("classification", "regression", "forecasting", "reconstruction"),
}
PAPER_MODALITIES: Final = _shares(image=49, tabular=25, text=10, multimodal=10, graph=4, audio=2)
"""SandMLE's corpus, as third parties read it off the paper (arXiv 2604.04872)."""
PAPER_TASK_TYPES: Final = _shares(classification=56, regression=15, forecasting_and_reconstruction=26, ranking=3)
"""The same; labels of which several may apply count as classification."""
SECTORS: Final = _shares(
    healthcare=25,
    retail=18,
    manufacturing=14,
    information_technology=13,
    transportation=8,
    finance=8,
    science=8,
    other=6,
)
"""The first four as in the paper; of those it names after them no shares are known, and these are ours."""
DIFFICULTIES: Final = _shares(easy=25, medium=50, hard=25)

MIXES: Final[Mapping[str, Mix]] = MappingProxyType(
    {
        "paper": Mix(
            name="paper",
            # How task types lie over modalities is not known; both margins are the paper's.
            kinds=_kinds(
                image={"classification": 25, "multilabel": 3, "regression": 4, "reconstruction": 16, "ranking": 1},
                tabular={"classification": 9, "multilabel": 2, "regression": 4, "forecasting": 9, "ranking": 1},
                text={"classification": 5, "multilabel": 2, "regression": 2, "ranking": 1},
                multimodal={"classification": 6, "regression": 4},
                graph={"classification": 3, "regression": 1},
                audio={"classification": 1, "reconstruction": 1},
            ),
            sectors=SECTORS,
            difficulties=DIFFICULTIES,
        ),
        "even": Mix(
            name="even",
            kinds=_kinds(**{modality: dict.fromkeys(types, 1 / len(types)) for modality, types in _EVEN.items()}),
            sectors=_shares(**dict.fromkeys((name.replace(" ", "_") for name in SECTORS), 1)),
            difficulties=DIFFICULTIES,
        ),
    }
)
"""Mix name to mix. `even` has every modality alike, and within each its task types."""


@dataclass(kw_only=True)
class Wishes:
    """The wishes of a corpus' drafts, in order, each made once."""

    mix: Mix
    difficulty: str = ""
    """The same for all drafts; empty leaves it to the mix."""
    lookback: int
    """A draft knows what became of drafts at least this much older; of later ones it supposes that they will do."""
    _made: list[Wish] = field(default_factory=list)
    _begun: Counter[Kind] = field(default_factory=Counter)
    _counts: Counter[Kind | str] = field(default_factory=Counter)
    """Kinds, modalities, sectors and difficulties of what was accepted or may be."""
    _known: int = 0

    def of(self, index: int, accepted: Callable[[int], bool]) -> Wish:
        """The wish of a draft.

        Args:
            index: the draft's.
            accepted: whether a committed draft became a task; asked of drafts up to `index - lookback` only.
        """
        while len(self._made) <= index:
            self._made.append(self._next(accepted))
        return self._made[index]

    def _next(self, accepted: Callable[[int], bool]) -> Wish:
        index = len(self._made)
        while self._known < index - self.lookback + 1:
            if not accepted(self._known):
                self._counts.subtract(_parts(self._made[self._known]))
            self._known += 1
        # First the modality, so that a small corpus has all of them, then the type of task within it.
        modality = self._furthest_behind(self.mix.modalities)
        kind = self._furthest_behind(self.mix.kinds_of(modality))
        wish = Wish(
            kind=kind,
            turn=self._begun[kind],
            sector=self._furthest_behind(self.mix.sectors),
            difficulty=self.difficulty or self._furthest_behind(self.mix.difficulties),
        )
        self._begun[kind] += 1
        self._counts.update(_parts(wish))
        return wish

    def _furthest_behind(self, shares: Mapping[T, float]) -> T:
        """The entry whose count lies furthest below its share; the earlier one when two are level."""
        counts: Mapping[Any, int] = self._counts
        total = 1 + sum(counts.get(one, 0) for one in shares)
        return max(shares, key=lambda one: shares[one] * total - counts.get(one, 0))


def _parts(wish: Wish) -> tuple[Kind | str, ...]:
    return wish.kind, wish.kind[0], wish.sector, wish.difficulty
