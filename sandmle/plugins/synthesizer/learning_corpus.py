"""Makes the corpora of a split without waste: one of known families and seeds, one of held-out ones."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sandmle.core.contracts.synthesis import SeedSource
from sandmle.core.engine.synthesis import SynthesisResult, derive_rng_seed
from sandmle.core.engine.tasks import list_tasks
from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.errors import UsageError
from sandmle.core.hooks.events import DraftFinished
from sandmle.core.hooks.registry import Kind
from sandmle.plugins.synthesizer.drafter import make_corpus
from sandmle.plugins.synthesizer.splits import Holdout, draw_families, draw_seeds, part_tasks, write_split

KNOWN, HELD_OUT = "known", "held-out"
SEED_SHARE: Final = 0.25
"""Of the seeds of every kind, held out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Tasks in each part, and families held out."""

    train: int
    validation: int
    fresh: int
    held_out: int
    families: int


def draw_holdout(toolkit: Toolkit, families: int, rng_seed: int) -> Holdout:
    """Families of `synthesis.families` and seeds of the configured sources to be held out.

    Raises:
        UsageError: `synthesis.families` names none to draw from.
    """
    synthesis = toolkit.settings.synthesis
    if not synthesis.families:
        raise UsageError(
            "synthesis.families names no rule families to draw held-out ones from; "
            "take --config benchmarks/learning.toml, or list some, by modality"
        )
    return Holdout(
        families=draw_families(synthesis.families, families, rng_seed),
        seed_ids=draw_seeds(_kinds(toolkit), SEED_SHARE, rng_seed),
    )


async def make_split(
    toolkit: Toolkit,
    out: Path,
    sizes: Sizes,
    rng_seed: int,
    *,
    drain: asyncio.Event | None = None,
    on_event: Callable[[DraftFinished], None] | None = None,
) -> tuple[tuple[SynthesisResult, ...], dict[str, Any] | None]:
    """Make `out/known` and `out/held-out`, or go on with them, and write the manifests once both are complete.

    Returns:
        What the two syntheses gave, and the split's table; None in its place while a corpus is short.

    Raises:
        UsageError: the configuration, the sizes or the folder cannot be used.
        InfrastructureError: a draft failed through no fault of its roles.
    """
    holdout = draw_holdout(toolkit, sizes.families, rng_seed)
    synthesis = toolkit.settings.synthesis
    known = sizes.train + sizes.validation + sizes.fresh
    plans = (
        (
            KNOWN,
            known,
            [one for one in synthesis.families if one not in holdout.families],
            [one for one in _kinds(toolkit) if one not in holdout.seed_ids],
        ),
        (HELD_OUT, sizes.held_out, list(holdout.families), list(holdout.seed_ids)),
    )
    results = []
    for name, wanted, families, seed_ids in plans:
        restricted = toolkit.override({"synthesis.families": families, "synthesis.seed_ids": seed_ids})
        seed = derive_rng_seed(rng_seed, name)
        made = await make_corpus(restricted, out / name, wanted, seed, drain=drain, on_event=on_event)
        results.append(made)
        if not made.complete:
            return tuple(results), None
    tasks = [*list_tasks(out / KNOWN), *list_tasks(out / HELD_OUT)]
    parts = part_tasks(
        tasks, holdout, validation=sizes.validation / known, fresh=sizes.fresh / known, rng_seed=rng_seed
    )
    return tuple(results), write_split(out, parts, holdout)


def _kinds(toolkit: Toolkit) -> dict[str, str]:
    """Seed id to modality and task type, of every seed that may be amplified."""
    found: dict[str, str] = {}
    wanted = toolkit.settings.synthesis.seed_ids
    for name in toolkit.settings.synthesis.seeds:
        source: SeedSource = toolkit.make(Kind.SEEDS, name)
        found |= {seed.seed_id: f"{seed.modality} {seed.task_type}" for seed in source.seeds()}
    return {seed_id: kind for seed_id, kind in found.items() if not wanted or seed_id in wanted}
