"""Which seed a draft amplifies: every seed in turn, or the one that a mix asks for, with its wishes in the DNA."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, get_args

from sandmle.core.contracts.synthesis import SeedSource
from sandmle.core.engine.mixes import MIXES, Mix, Wishes
from sandmle.core.engine.settings import SynthesisSettings
from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.errors import UsageError, nearest
from sandmle.core.hooks.registry import Kind
from sandmle.core.types.synthesis import Difficulty, Seed

SCALED: Final = ("tabular", "text")
"""Modalities of which a task can have any number of rows: where a row is a file, a folder would hold them all."""
MOST_TEXTS: Final = 200_000
"""Rows up to which a task can be of texts: a million of them would fill hundreds of megabytes."""
_DEFAULT_SEEDS: Final = SynthesisSettings.model_fields["seeds"].default


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedOrder:
    """Gives every draft its seed."""

    seeds: tuple[Seed, ...]
    """In the order in which they take turns."""
    wished: Mapping[str, float | int | str]
    """What every seed's DNA wishes for beside what a mix wishes."""
    wishes: Wishes | None
    """None where every seed has its turn."""

    def of(self, index: int, accepted: Callable[[int], bool]) -> Seed:
        """The seed of a draft, with what it shall be under `sector` and `difficulty` of its DNA.

        Args:
            index: the draft's.
            accepted: whether a committed draft became a task; see `mixes.Wishes.of`.
        """
        if self.wishes is None:
            seed = self.seeds[index % len(self.seeds)]
            return replace(seed, dna={**seed.dna, **self.wished}) if self.wished else seed
        wish = self.wishes.of(index, accepted)
        fitting = [seed for seed in self.seeds if (seed.modality, seed.task_type) == wish.kind]
        seed = fitting[wish.turn % len(fitting)]
        return replace(seed, dna={**seed.dna, **self.wished, "sector": wish.sector, "difficulty": wish.difficulty})


def order_seeds(toolkit: Toolkit, shuffle_seed: int, lookback: int) -> SeedOrder:
    """Measure the seeds and say who comes when.

    Args:
        toolkit: `synthesis.seeds`, `seed_ids`, `mix` and `difficulty` decide.
        shuffle_seed: of the order among seeds.
        lookback: drafts that may be under way at once.

    Raises:
        UsageError: there are no seeds, one that is asked for is not there, or a mix asks for kinds that none has.
    """
    settings = toolkit.settings.synthesis
    if settings.difficulty and settings.difficulty not in get_args(Difficulty):
        raise UsageError(
            f"synthesis.difficulty: none is called {settings.difficulty!r}; "
            f"{nearest(settings.difficulty, get_args(Difficulty))}"
        )
    mix = _mix_named(settings.mix)
    seeds = _all_seeds(toolkit, mix)
    if settings.scale is not None:
        scaled = SCALED if settings.scale <= MOST_TEXTS else SCALED[:1]
        seeds = [seed for seed in seeds if seed.modality in scaled]
    random.Random(shuffle_seed).shuffle(seeds)
    if mix is not None:
        _refuse_missing_kinds(mix, seeds)
    wishes = None if mix is None else Wishes(mix=mix, difficulty=settings.difficulty, lookback=lookback)
    wished: dict[str, float | int | str] = {}
    if settings.difficulty:
        wished["difficulty"] = settings.difficulty
    if settings.scale is not None:
        wished |= {"difficulty": settings.difficulty or "medium", "train_rows": settings.scale}
    return SeedOrder(seeds=tuple(seeds), wished=wished, wishes=wishes)


def _mix_named(name: str) -> Mix | None:
    if name and name not in MIXES:
        raise UsageError(f"synthesis.mix: no mix is called {name!r}; {nearest(name, list(MIXES))}")
    return MIXES[name] if name else None


def _all_seeds(toolkit: Toolkit, mix: Mix | None) -> list[Seed]:
    names = toolkit.settings.synthesis.seeds
    if mix is not None and names == _DEFAULT_SEEDS:
        names = mix.seeds
    seeds: list[Seed] = []
    for name in names:
        source: SeedSource = toolkit.make(Kind.SEEDS, name)
        with toolkit.registry.blaming(Kind.SEEDS, name, "cannot give its seeds"):
            seeds.extend(source.seeds())
    if not seeds:
        raise UsageError("there are no seeds to amplify: name a seed source in synthesis.seeds")
    known, wanted = [seed.seed_id for seed in seeds], toolkit.settings.synthesis.seed_ids
    for seed_id in wanted:
        if seed_id not in known:
            raise UsageError(f"synthesis.seed_ids: no seed {seed_id!r}; {nearest(seed_id, known)}")
    return [seed for seed in seeds if not wanted or seed.seed_id in wanted]


def _refuse_missing_kinds(mix: Mix, seeds: Sequence[Seed]) -> None:
    there = {(seed.modality, seed.task_type) for seed in seeds}
    missing = [" ".join(kind) for kind in mix.kinds if kind not in there]
    if missing:
        raise UsageError(
            f"the mix {mix.name!r} asks for kinds of task of which there is no seed: {', '.join(missing)}; "
            "add the seed source 'kinds' to synthesis.seeds, take fewer seed_ids away, or leave out synthesis.scale, "
            "which makes tables and texts alone"
        )


def wishes_of(dna: Mapping[str, float | int | str]) -> tuple[str, str]:
    """Sector and difficulty that a task's DNA wished for; empty where it wished nothing."""
    return str(dna.get("sector", "")), str(dna.get("difficulty", ""))
