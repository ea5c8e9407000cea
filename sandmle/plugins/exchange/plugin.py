"""Adds `sandmle export` and `sandmle import`."""

from typing import TYPE_CHECKING

from sandmle.core.hooks.hookspecs import hookimpl

if TYPE_CHECKING:
    import typer


@hookimpl
def sandmle_register_commands(app: "typer.Typer") -> None:
    """Add the commands that carry tasks and trajectories out of and into SandMLE."""
    from sandmle.plugins.exchange.commands import export_app, import_app

    app.add_typer(export_app, name="export")
    app.add_typer(import_app, name="import")
