"""Registers the built-in benchmarks, and the commands that evaluate on them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sandmle.core.hooks.hookspecs import hookimpl
from sandmle.core.hooks.registry import Spec

if TYPE_CHECKING:
    import typer

    from sandmle.core.contracts.benchmark import Benchmark
    from sandmle.plugins.benchmarks.peers.config import MleDojoConfig, PeerConfig


@hookimpl
def sandmle_register_benchmarks() -> "Sequence[Spec[Benchmark]]":
    from sandmle.plugins.benchmarks.corpus import Corpus, CorpusConfig
    from sandmle.plugins.benchmarks.peers.config import MleDojoConfig, PeerConfig

    return [
        Spec(
            name="corpus",
            summary="task directories that lie in one folder",
            config=CorpusConfig,
            make=lambda config: Corpus(path=config.path),
        ),
        Spec(
            name="mlebench",
            summary="competitions of an MLE-bench checkout, graded by its own code",
            config=PeerConfig,
            make=_mlebench,
        ),
        Spec(
            name="mledojo",
            summary="competitions of an MLE-Dojo checkout, judged by its own code",
            config=MleDojoConfig,
            make=_mledojo,
        ),
    ]


@hookimpl
def sandmle_register_commands(app: "typer.Typer") -> None:
    """Add the commands that evaluate on benchmarks, and those that read boards."""
    from sandmle.plugins.benchmarks.commands import register

    register(app)


def _mlebench(config: "PeerConfig") -> "Benchmark":
    from sandmle.plugins.benchmarks.mlebench.benchmark import MleBench

    return MleBench(config=config)


def _mledojo(config: "MleDojoConfig") -> "Benchmark":
    from sandmle.plugins.benchmarks.mledojo.benchmark import MleDojo

    return MleDojo(config=config)
