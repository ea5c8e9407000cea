"""Adds `sandmle report` to the program."""

from typing import TYPE_CHECKING

from sandmle.core.hooks.hookspecs import hookimpl

if TYPE_CHECKING:
    import typer


@hookimpl
def sandmle_register_commands(app: "typer.Typer") -> None:
    """Add the command that writes a report."""
    from sandmle.plugins.reports.commands import report

    app.command()(report)
