"""The seeds of the kinds that the built-in ones lack are measured, stable, and enough for every mix."""

import json
import math

import pytest

from sandmle.core.engine.mixes import MIXES
from sandmle.core.types.metrics import suits
from sandmle.core.types.synthesis import Seed
from sandmle.plugins.seeds.builtin import BuiltinSeeds
from sandmle.plugins.seeds.kinds import KindSeeds


@pytest.fixture(scope="module")
def seeds() -> dict[str, Seed]:
    return {seed.seed_id: seed for seed in KindSeeds().seeds()}


def test_with_the_builtin_ones_every_kind_of_every_mix_has_a_seed(seeds: dict[str, Seed]) -> None:
    builtin = BuiltinSeeds().seeds()
    there = {(seed.modality, seed.task_type) for seed in (*seeds.values(), *builtin)}
    assert {kind for mix in MIXES.values() for kind in mix.kinds} <= there
    assert not set(seeds) & {seed.seed_id for seed in builtin}


def test_figures_are_finite_and_metrics_suit(seeds: dict[str, Seed]) -> None:
    for seed in seeds.values():
        assert suits(seed.metric, seed.task_type)
        json.dumps(dict(seed.dna))
        assert all(isinstance(value, str) or math.isfinite(value) for value in seed.dna.values()), seed.seed_id


def test_measuring_again_gives_the_same_figures(seeds: dict[str, Seed]) -> None:
    assert {seed.seed_id: seed for seed in KindSeeds().seeds()} == seeds


def test_known_facts_of_known_data_are_found(seeds: dict[str, Seed]) -> None:
    flowers, squares, line = (seeds[name].dna for name in ("linked-flowers", "patch-squares", "line-source"))
    # Species are told apart by their sizes, so that flowers most alike are nearly always of one species.
    assert float(flowers["alike_share"]) > 0.9
    assert 3 <= float(flowers["mean_degree"]) <= 6
    assert (squares["image_size"], squares["hidden_values"]) == (16, 9)
    assert (line["samples"], line["classes"]) == (64, 2)
    # Photographs are smooth: most of a scan line's power is slow.
    assert float(line["slow_share"]) > 0.7
    assert seeds["tumour-signs"].dna["labels"] == 3
    assert "classes" not in seeds["tumour-signs"].dna
