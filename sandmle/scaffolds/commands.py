"""`sandmle scaffolds`: what scaffolds there are, and what each looks like."""

import json
from typing import Annotated

import typer

from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.hooks.registry import Kind

scaffolds_app = typer.Typer(no_args_is_help=True, help="See the scaffolds, the graphs that turn a model into an agent.")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]


@scaffolds_app.command("list")
def list_scaffolds(context: typer.Context, as_json: Json = False) -> None:
    """Every registered scaffold: name, source, summary."""
    toolkit: Toolkit = context.obj
    rows = [
        {"name": one.spec.name, "source": one.source, "summary": one.spec.summary}
        for one in toolkit.registry
        if one.kind is Kind.SCAFFOLD
    ]
    if as_json:
        typer.echo(json.dumps({"scaffolds": rows}, indent=2, ensure_ascii=False))
        return
    for row in rows:
        typer.echo(f"{row['name']:<14} {row['source']:<12} {row['summary']}")


@scaffolds_app.command("show")
def show_scaffold(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Scaffold name.")],
    mermaid: Annotated[
        bool, typer.Option("--mermaid", help="Print only the graph's picture, as mermaid text.")
    ] = False,
    as_json: Json = False,
) -> None:
    """One scaffold: its options with their defaults, and its graph's picture."""
    toolkit: Toolkit = context.obj
    spec = toolkit.registry.spec(Kind.SCAFFOLD, name)
    picture = toolkit.make(Kind.SCAFFOLD, name).mermaid()
    options = {key: field.get_default(call_default_factory=True) for key, field in spec.config.model_fields.items()}
    if as_json:
        shown = {"name": name, "summary": spec.summary, "options": options, "mermaid": picture}
        typer.echo(json.dumps(shown, indent=2, ensure_ascii=False, default=str))
        return
    if not mermaid:
        typer.echo(f"{name}: {spec.summary}")
        typer.echo("\n".join(f"  plugin.scaffold.{name}.{key} = {value!r}" for key, value in options.items()) + "\n")
    typer.echo(picture.rstrip())
