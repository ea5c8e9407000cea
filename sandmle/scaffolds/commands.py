"""`sandmle scaffolds`: what scaffolds there are, and what each looks like."""

import ast
import inspect
import itertools
import json
import textwrap
from typing import Annotated, Final

import typer
from pydantic import BaseModel

from sandmle.core.contracts.scaffold import Scaffold, needed_actions
from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.hooks.registry import Kind

scaffolds_app = typer.Typer(no_args_is_help=True, help="See the scaffolds, the graphs that turn a model into an agent.")

WIDTH: Final = 96

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
    name: Annotated[str, typer.Argument(metavar="NAME", help="Scaffold name.")],
    mermaid: Annotated[
        bool, typer.Option("--mermaid", help="Print only the graph's picture, as mermaid text.")
    ] = False,
    as_json: Json = False,
) -> None:
    """One scaffold: what it does, the actions it needs, its options with their defaults, and its graph's picture."""
    toolkit: Toolkit = context.obj
    spec = toolkit.registry.spec(Kind.SCAFFOLD, name)
    scaffold: Scaffold = toolkit.make(Kind.SCAFFOLD, name)
    picture = scaffold.mermaid()
    options = {key: field.get_default(call_default_factory=True) for key, field in spec.config.model_fields.items()}
    needs = sorted(needed_actions(scaffold))
    about = inspect.cleandoc(type(scaffold).__doc__ or spec.summary)
    meanings = _meanings(spec.config)
    if as_json:
        shown = {
            "name": name,
            "summary": spec.summary,
            "about": about,
            "needs": needs,
            "options": options,
            "meanings": meanings,
            "mermaid": picture,
        }
        typer.echo(json.dumps(shown, indent=2, ensure_ascii=False, default=str))
        return
    if not mermaid:
        typer.echo(f"{name}: {spec.summary}\n\n{about}\n\nNeeds the actions: {', '.join(needs) or 'none'}\n")
        for key, value in options.items():
            typer.echo(f"plugin.scaffold.{name}.{key} = {value!r}")
            if key in meanings:
                typer.echo(textwrap.indent(textwrap.fill(meanings[key], WIDTH), "    "))
        typer.echo("")
    typer.echo(picture.rstrip())


def _meanings(config: type[BaseModel]) -> dict[str, str]:
    """What the text under each field of a configuration says; nothing where its source cannot be read."""
    try:
        [declared] = ast.parse(textwrap.dedent(inspect.getsource(config))).body
    except (OSError, SyntaxError, ValueError):
        return {}
    body = declared.body if isinstance(declared, ast.ClassDef) else []
    return {
        field.target.id: " ".join(text.value.value.split())
        for field, text in itertools.pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }
