"""The checks that every `SeedSource` has to pass. Shipped to plugin authors."""

import math
import re
from collections.abc import Sequence
from typing import Final, get_args

from sandmle.core.conformance.shape import check_shape
from sandmle.core.contracts.synthesis import SeedSource
from sandmle.core.errors import PluginError, boundary, nearest
from sandmle.core.types.metrics import METRICS, suits
from sandmle.core.types.synthesis import Seed
from sandmle.core.types.task import KnownModality, TaskType

OWN_MODALITY: Final = re.compile(r"x-[a-z0-9]+(-[a-z0-9]+)*")


def check_seed_source(source: SeedSource, what: str = "the source of seeds") -> None:
    """Ask a source for its seeds twice, and look at each.

    Args:
        source: made once as for a run.
        what: names it in messages.

    Raises:
        PluginError: it breaks a promise of the contract; the message says which.
    """
    check_shape(source, SeedSource, what)
    found = _seeds(source, what)
    if not found:
        raise PluginError(f"{what} has no seeds; a source without any cannot be drawn from")
    for seed in found:
        if not isinstance(seed, Seed):
            raise PluginError(f"{what} gave a {type(seed).__name__} among its seeds; give sandmle.Seed objects")
        if problem := _problem(seed):
            raise PluginError(f"{what}, seed {seed.seed_id!r}: {problem}")
    ids = [seed.seed_id for seed in found]
    twice = next((one for one in ids if ids.count(one) > 1), None)
    if twice is not None:
        raise PluginError(f"{what} has two seeds with the id {twice!r}; ids tell seeds apart")
    if _seeds(source, what) != found:
        raise PluginError(f"{what} gave other seeds, or another order, the second time; the corpus depends on it")


def _seeds(source: SeedSource, what: str) -> list[Seed]:
    with boundary(PluginError, f"{what} failed in its seeds()"):
        found: object = source.seeds()
    if not isinstance(found, Sequence) or isinstance(found, str):
        raise PluginError(f"{what}: seeds() gave a {type(found).__name__}; give a list of sandmle.Seed")
    return list(found)


def _problem(seed: Seed) -> str | None:
    if not seed.seed_id or not seed.title or not seed.source:
        return "seed_id, title and source must say something"
    if seed.modality not in get_args(KnownModality) and not OWN_MODALITY.fullmatch(seed.modality):
        known = nearest(seed.modality, get_args(KnownModality))
        return f"no modality {seed.modality!r}; {known} (one of your own begins with x-)"
    if seed.task_type not in get_args(TaskType):
        return f"no task type {seed.task_type!r}; {nearest(seed.task_type, get_args(TaskType))}"
    if seed.metric not in METRICS:
        return f"no metric {seed.metric!r}; {nearest(seed.metric, list(METRICS))}"
    if not suits(seed.metric, seed.task_type):
        return f"metric {seed.metric!r} does not suit {seed.task_type}"
    if not seed.dna:
        return "its DNA is empty; measure some facts of the data"
    for key, value in seed.dna.items():
        if not isinstance(value, int | float | str):
            return f"DNA {key!r} is a {type(value).__name__}; facts are numbers or text"
        if isinstance(value, float) and not math.isfinite(value):
            return f"DNA {key!r} is {value}; facts are finite"
    return None
