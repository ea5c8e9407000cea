"""Registers the built-in source of seeds and the commands that show them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sandmle.core.hooks.hookspecs import hookimpl
from sandmle.core.hooks.registry import NoConfig, Spec

if TYPE_CHECKING:
    import typer

    from sandmle.core.contracts.synthesis import SeedSource


def _make_builtin(config: NoConfig) -> "SeedSource":
    from sandmle.plugins.seeds.builtin import BuiltinSeeds

    return BuiltinSeeds()


@hookimpl
def sandmle_register_seed_sources() -> "Sequence[Spec[SeedSource]]":
    """Offer the seeds measured on data that our dependencies carry."""
    return [
        Spec(
            name="builtin",
            summary="measured on scikit-learn's tables and photographs and on Python's own documentation",
            make=_make_builtin,
        )
    ]


@hookimpl
def sandmle_register_commands(app: "typer.Typer") -> None:
    """Add `sandmle seeds`."""
    from sandmle.plugins.seeds.commands import register

    register(app)
