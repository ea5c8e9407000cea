"""Registers the built-in scaffolds and their commands."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sandmle.core.hooks.hookspecs import hookimpl
from sandmle.core.hooks.registry import Spec
from sandmle.scaffolds.react.config import ReactConfig

if TYPE_CHECKING:
    import typer

    from sandmle.core.contracts.scaffold import Scaffold


def _make_react(config: ReactConfig) -> "Scaffold":
    from sandmle.scaffolds.react.scaffold import ReactScaffold

    return ReactScaffold(config)


@hookimpl
def sandmle_register_scaffolds() -> "Sequence[Spec[Scaffold]]":
    """Offer the built-in scaffolds."""
    return [
        Spec(
            name="react",
            summary="think, call one tool, read its response; the tag protocol of the released SandMLE code",
            make=_make_react,
            config=ReactConfig,
        )
    ]


@hookimpl
def sandmle_register_commands(app: "typer.Typer") -> None:
    """Add `sandmle scaffolds`."""
    from sandmle.scaffolds.commands import scaffolds_app

    app.add_typer(scaffolds_app, name="scaffolds")
