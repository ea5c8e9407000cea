"""Registers the commands `sandmle plugins new` and `sandmle plugins check`."""

from typing import TYPE_CHECKING

from sandmle.core.hooks.hookspecs import hookimpl

if TYPE_CHECKING:
    import typer


# Commands join a group that another plugin makes: the hook called last finds it there.
@hookimpl(tryfirst=True)
def sandmle_register_commands(app: "typer.Typer") -> None:
    """Add `new` and `check` to `sandmle plugins`."""
    from sandmle.plugins.authoring.commands import register

    register(app)
