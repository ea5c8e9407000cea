"""Adds `sandmle demo`."""

from typing import TYPE_CHECKING

from sandmle.core.hooks.hookspecs import hookimpl

if TYPE_CHECKING:
    import typer


@hookimpl
def sandmle_register_commands(app: "typer.Typer") -> None:
    """Put the command that a newcomer types first before all others."""
    from sandmle.plugins.demo.commands import demo

    app.command()(demo)
    app.registered_commands.insert(0, app.registered_commands.pop())
