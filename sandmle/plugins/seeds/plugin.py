"""Registers the built-in source of seeds, the benchmark of its real rows, and the commands that show seeds."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sandmle.core.hooks.hookspecs import hookimpl
from sandmle.core.hooks.registry import NoConfig, Spec

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
    """Offer the seeds measured on data that our dependencies carry."""
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
    ]


@hookimpl
def sandmle_register_commands(app: "typer.Typer") -> None:
    """Add `sandmle seeds`."""
    from sandmle.plugins.seeds.commands import register
    from sandmle.plugins.seeds.owndata.commands import register_benchmark

    register_benchmark()
    register(app)
