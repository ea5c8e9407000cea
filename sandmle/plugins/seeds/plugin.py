"""Registers the built-in source of seeds, the benchmark of its real rows, and the commands that show seeds."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sandmle.core.hooks.hookspecs import hookimpl
from sandmle.core.hooks.registry import NoConfig, Spec
from sandmle.plugins.seeds.outside.config import CheckoutConfig, FolderConfig

if TYPE_CHECKING:
    import typer

    from sandmle.core.contracts.benchmark import Benchmark
    from sandmle.core.contracts.synthesis import SeedSource
    from sandmle.plugins.seeds.realdata.config import RealDataConfig


def _make_builtin(config: NoConfig) -> "SeedSource":
    from sandmle.plugins.seeds.builtin import BuiltinSeeds

    return BuiltinSeeds()


def _make_kinds(config: NoConfig) -> "SeedSource":
    from sandmle.plugins.seeds.kinds import KindSeeds

    return KindSeeds()


def _make_folder(config: FolderConfig) -> "SeedSource":
    from sandmle.plugins.seeds.outside.own import OwnSeeds

    return OwnSeeds(config=config, suffix=".csv")


def _make_arff(config: FolderConfig) -> "SeedSource":
    from sandmle.plugins.seeds.outside.own import OwnSeeds

    return OwnSeeds(config=config, suffix=".arff")


def _make_mlebench(config: CheckoutConfig) -> "SeedSource":
    from sandmle.plugins.seeds.outside.competitions import MLEBENCH, CompetitionSeeds

    return CompetitionSeeds(config=config, layout=MLEBENCH)


def _make_mledojo(config: CheckoutConfig) -> "SeedSource":
    from sandmle.plugins.seeds.outside.competitions import MLEDOJO, CompetitionSeeds

    return CompetitionSeeds(config=config, layout=MLEDOJO)


def _make_realdata(config: "RealDataConfig") -> "Benchmark":
    from sandmle.plugins.seeds.realdata.benchmark import RealData

    return RealData(config)


@hookimpl
def sandmle_register_benchmarks() -> "Sequence[Spec[Benchmark]]":
    """Offer the real rows behind the seeds; it stands here because no other family may reach into this one."""
    from sandmle.plugins.seeds.realdata.config import RealDataConfig

    return [
        Spec(
            name="realdata",
            summary="real rows of the built-in seeds, at most 200 to train on: to measure with, never to train on",
            make=_make_realdata,
            config=RealDataConfig,
        )
    ]


@hookimpl
def sandmle_register_seed_sources() -> "Sequence[Spec[SeedSource]]":
    """Offer seeds measured on data that our dependencies carry, on a user's own, and on other benchmarks'."""
    return [
        Spec(
            name="builtin",
            summary="measured on scikit-learn's tables and photographs and on Python's own documentation",
            make=_make_builtin,
        ),
        Spec(
            name="kinds",
            summary="measured on the same data, of the kinds of task that `builtin` does not have",
            make=_make_kinds,
        ),
        Spec(
            name="folder",
            summary="measured on your own CSV files; nothing but figures leaves the machine",
            make=_make_folder,
            config=FolderConfig,
        ),
        Spec(
            name="arff",
            summary="measured on your own ARFF files, as OpenML has them; nothing but figures leaves the machine",
            make=_make_arff,
            config=FolderConfig,
        ),
        Spec(
            name="mlebench",
            summary="competitions of an MLE-bench checkout, measured where their data is prepared",
            make=_make_mlebench,
            config=CheckoutConfig,
        ),
        Spec(
            name="mledojo",
            summary="competitions of an MLE-Dojo checkout, measured where their data is prepared",
            make=_make_mledojo,
            config=CheckoutConfig,
        ),
    ]


@hookimpl
def sandmle_register_commands(app: "typer.Typer") -> None:
    """Add `sandmle seeds`."""
    from sandmle.plugins.seeds.commands import register
    from sandmle.plugins.seeds.owndata.commands import register_benchmark

    register_benchmark()
    register(app)
