"""`sandmle plugins new` and `sandmle plugins check`: begin a plugin package, and see what is wrong with one."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sandmle.core.engine.toolkit import Toolkit

PROBLEMS_FOUND = 1

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the group `plugins`, which the program brings; make the group where it is not there."""
    group = next((one.typer_instance for one in app.registered_groups if one.name == "plugins"), None)
    if group is None:
        group = typer.Typer(no_args_is_help=True, help="Write plugins.")
        app.add_typer(group, name="plugins")
    # A program is built more than once in a process, from groups that live as long as it.
    known = {command.name for command in group.registered_commands}
    for name, command in (("new", plugins_new), ("check", plugins_check)):
        if name not in known:
            group.command(name)(command)


def plugins_new(
    context: typer.Context,
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            help="scaffold, sandbox, milestone, seeds, role, rule, check, provider, benchmark, trainer or tracker.",
        ),
    ],
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Of the package and of what it registers, such as demo-agent.")
    ],
    into: Annotated[Path, typer.Option("--into", help="Directory to write the package's folder into.")] = Path(),
    as_json: Json = False,
) -> None:
    """Write a plugin package that installs, has types, and passes its tests: change it into yours."""
    from sandmle.plugins.authoring.naming import kind_of, names_for
    from sandmle.plugins.authoring.writing import write_package

    toolkit: Toolkit = context.obj
    of = kind_of(kind)
    written = write_package(of, names_for(name, of, toolkit.registry), into)
    if as_json:
        typer.echo(json.dumps({"package": str(into / name), "files": [str(path) for path in written]}, indent=2))
        return
    for path in written:
        typer.echo(path)
    place = into / name
    shown = str(place) if place.is_absolute() else f"./{place}"
    typer.echo(f"\nNext: pip install {shown} && pytest {place} && sandmle plugins check {place}")


def plugins_check(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="Folder of a plugin package; need not be installed.")],
    timeout: Annotated[
        float, typer.Option("--timeout", min=0.1, help="Seconds for one step, after which it is said to hang.")
    ] = 120.0,
    as_json: Json = False,
) -> None:
    """Import a plugin package and run the conformance suite of everything it registers; say in words what is wrong.

    Exits with 1 when something is.
    """
    from sandmle.plugins.authoring.checking import check_package

    report = check_package(path, timeout)
    typer.echo(json.dumps(report.as_json(), indent=2, ensure_ascii=False) if as_json else report.as_text())
    if not report.passed:
        raise typer.Exit(PROBLEMS_FOUND)
