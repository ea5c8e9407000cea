"""The built-in seeds are measured, stable, and enough."""

import json
import math
from collections.abc import Callable
from typing import Any

import pytest

from sandmle.core.errors import PluginError
from sandmle.core.types.metrics import METRICS
from sandmle.core.types.synthesis import Seed
from sandmle.plugins.seeds.builtin import VIEWS, BuiltinSeeds, View


@pytest.fixture(scope="module")
def seeds() -> dict[str, Seed]:
    return {seed.seed_id: seed for seed in BuiltinSeeds().seeds()}


def test_there_are_at_least_twelve_over_every_modality(seeds: dict[str, Seed]) -> None:
    assert len(seeds) == len(VIEWS) >= 12
    kinds = {(seed.modality, seed.task_type) for seed in seeds.values()}
    assert kinds == {(m, t) for m in ("tabular", "text", "image") for t in ("classification", "regression")}


def test_every_metric_suits_its_seed(seeds: dict[str, Seed]) -> None:
    for seed in seeds.values():
        assert (METRICS[seed.metric].prediction.value == "value") == (seed.task_type == "regression")
        if seed.metric in ("roc_auc", "average_precision"):
            assert seed.dna["classes"] == 2


def test_measuring_again_gives_the_same_figures(seeds: dict[str, Seed]) -> None:
    assert {seed.seed_id: seed for seed in BuiltinSeeds().seeds()} == seeds


def test_every_figure_is_finite_and_can_be_written_as_json(seeds: dict[str, Seed]) -> None:
    for seed in seeds.values():
        json.dumps(dict(seed.dna))
        assert all(isinstance(value, str) or math.isfinite(value) for value in seed.dna.values())
        assert 0 <= float(seed.dna["linear_skill"]) <= 1


def test_known_facts_of_known_data_are_found(seeds: dict[str, Seed]) -> None:
    iris, wine = seeds["iris-species"].dna, seeds["wine-cultivar"].dna
    assert (iris["rows"], iris["columns"], iris["classes"], iris["balance"]) == (150, 4, 3, 1.0)
    assert (wine["rows"], wine["columns"], wine["classes"]) == (178, 13, 3)
    assert wine["linear_skill"] > 0.9
    assert seeds["tumour-diagnosis"].dna["minority_share"] == pytest.approx(0.373)
    # Published linear baselines of this table reach an R² of about a half.
    assert 0.4 < float(seeds["diabetes-progression"].dna["linear_skill"]) < 0.55
    assert (seeds["digit-images"].dna["image_size"], seeds["photo-patches"].dna["image_size"]) == (8, 16)
    # Single pixels say next to nothing about whether a patch is upright.
    assert float(seeds["photo-upright"].dna["strongest_dependence"]) < 0.2
    assert float(seeds["photo-neighbour"].dna["linear_skill"]) > 0.8
    assert int(seeds["library-topic"].dna["vocabulary"]) > 500


def test_data_that_is_not_there_is_the_sources_fault_and_named() -> None:
    def nothing(shelf: Any) -> Any:
        raise OSError("china.jpg is gone")

    view = VIEWS[0]
    broken = View(
        seed_id="lost",
        title=view.title,
        modality=view.modality,
        task_type=view.task_type,
        metric=view.metric,
        source=view.source,
        load=nothing,
    )
    with pytest.raises(PluginError, match=r"'lost'.*china\.jpg"):
        BuiltinSeeds([broken]).seeds()


def test_the_program_lists_and_shows_them(sandmle_json: Callable[..., Any], seeds: dict[str, Seed]) -> None:
    assert [one["seed_id"] for one in sandmle_json("seeds", "list")["seeds"]] == list(seeds)
    shown = sandmle_json("seeds", "show", "wine-cultivar")
    assert shown["dna"] == dict(seeds["wine-cultivar"].dna)


def test_an_unknown_seed_is_answered_with_the_nearest(sandmle: Callable[..., Any]) -> None:
    assert "did you mean 'wine-cultivar'?" in sandmle("seeds", "show", "wine-cultivr", code=2).stderr
