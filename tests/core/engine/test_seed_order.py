"""Which seed a draft amplifies, with and without a mix."""

from dataclasses import replace

import pytest

from sandmle.core.engine.seed_order import order_seeds, wishes_of
from sandmle.core.engine.settings import Settings
from sandmle.core.engine.toolkit import Toolkit, open_toolkit
from sandmle.core.errors import PluginError, UsageError
from sandmle.core.hooks.registry import Kind, Registered, Registry, Spec
from sandmle.core.types.synthesis import Seed

LOOKBACK = 8


def always(index: int) -> bool:
    return True


@pytest.fixture(scope="module")
def toolkit() -> Toolkit:
    return open_toolkit()


def test_without_a_mix_every_seed_has_its_turn_and_is_as_measured(toolkit: Toolkit) -> None:
    order = order_seeds(toolkit, 1, LOOKBACK)
    first = [order.of(index, always) for index in range(2 * len(order.seeds))]
    assert first[: len(order.seeds)] == list(order.seeds) == first[len(order.seeds) :]
    assert wishes_of(first[0].dna) == ("", "")
    hard = order_seeds(toolkit.override({"synthesis.difficulty": "hard"}), 1, LOOKBACK)
    assert wishes_of(hard.of(0, always).dna) == ("", "hard")


def test_a_mix_gives_seeds_of_the_kind_it_wishes_with_sector_and_difficulty(toolkit: Toolkit) -> None:
    order = order_seeds(toolkit.override({"synthesis.mix": "even"}), 1, LOOKBACK)
    seeds = [order.of(index, always) for index in range(60)]
    kinds = {(seed.modality, seed.task_type) for seed in seeds}
    assert {modality for modality, _ in kinds} >= {"graph", "audio", "series", "multimodal"}
    assert all(all(wishes_of(seed.dna)) for seed in seeds)


def test_a_scale_makes_tables_and_texts_alone_and_is_a_wish_of_their_dna(toolkit: Toolkit) -> None:
    order = order_seeds(toolkit.override({"synthesis.scale": 1000}), 1, LOOKBACK)
    seeds = [order.of(index, always) for index in range(len(order.seeds))]
    assert {seed.modality for seed in seeds} == {"tabular", "text"}
    assert {(seed.dna["train_rows"], seed.dna["difficulty"]) for seed in seeds} == {(1000, "medium")}


def test_from_two_hundred_thousand_rows_on_there_are_tables_alone(toolkit: Toolkit) -> None:
    order = order_seeds(toolkit.override({"synthesis.scale": 1_000_000}), 1, LOOKBACK)
    assert {seed.modality for seed in order.seeds} == {"tabular"}


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"synthesis.mix": "papper"}, "did you mean 'paper'"),
        ({"synthesis.difficulty": "hardd"}, "did you mean 'hard'"),
        ({"synthesis.mix": "paper", "synthesis.seed_ids": ["iris-species"]}, "audio classification"),
        ({"synthesis.seed_ids": ["iris"]}, "no seed 'iris'"),
        ({"synthesis.mix": "paper", "synthesis.scale": 1000}, "leave out synthesis.scale"),
    ],
)
def test_what_cannot_be_is_said_with_what_to_do(toolkit: Toolkit, settings: dict[str, object], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        order_seeds(toolkit.override(settings), 1, LOOKBACK)


def test_a_source_that_fails_in_its_own_code_is_named(toolkit: Toolkit) -> None:
    class Failing:
        def seeds(self) -> list[Seed]:
            raise KeyError("no seeds today")

    spec = Spec(name="failing", summary="", make=lambda config: Failing())
    registry = Registry({(Kind.SEEDS, "failing"): Registered(kind=Kind.SEEDS, spec=spec, source="tests")})
    settings = Settings.model_validate({"synthesis": {"seeds": ("failing",)}})
    with pytest.raises(PluginError, match="seeds 'failing' of plugin 'tests' cannot give its seeds: KeyError"):
        order_seeds(Toolkit(plugins=replace(toolkit.plugins, registry=registry), settings=settings), 1, LOOKBACK)
