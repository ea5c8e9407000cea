"""Registers the built-in benchmarks."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sandmle.core.hooks.hookspecs import hookimpl
from sandmle.core.hooks.registry import Spec

if TYPE_CHECKING:
    from sandmle.core.contracts.benchmark import Benchmark


@hookimpl
def sandmle_register_benchmarks() -> "Sequence[Spec[Benchmark]]":
    from sandmle.plugins.benchmarks.corpus import Corpus, CorpusConfig

    return [
        Spec(
            name="corpus",
            summary="task directories that lie in one folder",
            config=CorpusConfig,
            make=lambda config: Corpus(path=config.path),
        )
    ]
