"""`sandmle seeds list` and `sandmle seeds show`: what tasks are amplified from."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from sandmle.core.engine.toolkit import Toolkit
    from sandmle.core.types.synthesis import Seed

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout; progress goes to stderr.")]
Source = Annotated[list[str] | None, typer.Option("--source", help="Seed source; default: those of the configuration.")]
Assignments = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Set one configuration key; may be repeated.")
]

seeds_app = typer.Typer(no_args_is_help=True, help="See the seeds and their measured DNA.")


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.add_typer(seeds_app, name="seeds")


@seeds_app.command("list")
def list_seeds(
    context: typer.Context, source: Source = None, assignments: Assignments = None, as_json: Json = False
) -> None:
    """List every seed: its kind, size and metric."""
    seeds = _measure(context.obj, source, assignments)
    if as_json:
        typer.echo(json.dumps({"seeds": [_record(seed) for seed in seeds]}, indent=2))
        return
    for seed in seeds:
        kind = f"{seed.modality} {seed.task_type}"
        typer.echo(f"{seed.seed_id:28} {kind:24} {seed.dna.get('rows', ''):>6} rows  {seed.metric:18} {seed.title}")


@seeds_app.command("show")
def show_seed(
    context: typer.Context,
    seed_id: Annotated[str, typer.Argument(metavar="SEED", help="Its id, as `sandmle seeds list` shows it.")],
    source: Source = None,
    assignments: Assignments = None,
    as_json: Json = False,
) -> None:
    """Show one seed with everything that was measured of it."""
    from sandmle.core.errors import UsageError, nearest

    seeds = {seed.seed_id: seed for seed in _measure(context.obj, source, assignments)}
    if seed_id not in seeds:
        raise UsageError(f"no seed named {seed_id!r}; {nearest(seed_id, list(seeds))}")
    seed = seeds[seed_id]
    if as_json:
        typer.echo(json.dumps(_record(seed), indent=2))
        return
    typer.echo(f"{seed.title}\n{seed.modality} {seed.task_type}, {seed.metric}\n{seed.source}\n")
    for name, value in seed.dna.items():
        typer.echo(f"{name:22} {value}")


def _measure(toolkit: "Toolkit", source: list[str] | None, assignments: list[str] | None) -> "list[Seed]":
    from sandmle.core.engine.config import parse_assignments
    from sandmle.core.hooks.registry import Kind

    if assignments:
        toolkit = toolkit.override(parse_assignments(assignments))
    names = source or list(toolkit.settings.synthesis.seeds)
    return [seed for name in names for seed in toolkit.make(Kind.SEEDS, name).seeds()]


def _record(seed: "Seed") -> dict[str, Any]:
    record = {name: value for name, value in asdict(seed).items() if name != "dna"}
    return {**record, "dna": dict(seed.dna)}
