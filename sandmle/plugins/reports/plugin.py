"""Adds `sandmle report` and `sandmle matrix` to the program."""

from typing import TYPE_CHECKING

from sandmle.core.hooks.hookspecs import hookimpl

if TYPE_CHECKING:
    import typer


@hookimpl
def sandmle_register_commands(app: "typer.Typer") -> None:
    """Add the commands that write a report, and one that plays what it is of first."""
    from sandmle.plugins.reports.commands import matrix, report

    app.command()(report)
    app.command()(matrix)
