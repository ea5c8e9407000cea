"""`sandmle sandbox`: run cells by hand, and see how strongly a backend keeps them in."""

import asyncio
import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sandmle.core.contracts.sandbox import Sandbox

sandbox_app = typer.Typer(no_args_is_help=True, help="Run code in a sandbox by hand, and attack it.")

Backend = Annotated[str, typer.Option("--backend", help="Registered name of the sandbox.")]
Assignments = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Set one configuration key; may be repeated.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]


@sandbox_app.command("run")
def run(
    context: typer.Context,
    cells: Annotated[list[Path], typer.Argument(metavar="CELL.py", help="Run in this order in one session.")],
    backend: Backend = "process",
    public: Annotated[Path | None, typer.Option("--public", help="Directory seen inside as data/, read-only.")] = None,
    fetch: Annotated[
        list[str] | None, typer.Option("--fetch", metavar="PATH", help="File to copy out at the end; may be repeated.")
    ] = None,
    timeout: Annotated[float, typer.Option("--timeout", min=0.01, help="Seconds for each cell.")] = 60.0,
    memory_mb: Annotated[int, typer.Option("--memory-mb", min=64, help="Memory of the session, MiB.")] = 2048,
    workdir_mb: Annotated[int, typer.Option("--workdir-mb", min=1, help="Its work directory, MiB.")] = 128,
    processes: Annotated[int, typer.Option("--processes", min=1, help="Its processes and threads at once.")] = 32,
    max_bytes: Annotated[int, typer.Option("--max-bytes", min=1, help="Largest file fetched.")] = 64 * 1024 * 1024,
    assignments: Assignments = None,
    as_json: Json = False,
) -> None:
    """Run files as the cells of one session; exits 0 when the sandbox worked, whatever the cells did.

    What a cell that takes longer than a moment writes is shown on stderr while it runs.
    """
    from sandmle.core.types.sandbox import SandboxLimits
    from sandmle.plugins.sandboxes.trial import Trial, perform, read_cells

    trial = Trial(
        cells=read_cells(cells),
        public_dir=_directory(public),
        fetch=tuple(fetch or ()),
        timeout_s=timeout,
        max_bytes=max_bytes,
        limits=SandboxLimits(memory_mb=memory_mb, workdir_mb=workdir_mb, processes=processes),
    )
    document = asyncio.run(perform(_make(context, backend, assignments), trial, partial(typer.echo, err=True)))
    if as_json:
        typer.echo(json.dumps(document, allow_nan=False))
        return
    typer.echo(f"{document['backend']}, isolation level {document['level']}, limits by {document['limits_by']}")
    for cell in document["cells"]:
        typer.echo(f"\n--- {cell['file']}: {cell['status']} in {cell['wall_s']:.3f} s")
        typer.echo(cell["stdout"], nl=False)
        typer.echo(cell["stderr"], nl=False)
    for path, got in document["fetched"].items():
        typer.echo(f"\n--- fetched {path}: {got.get('refused') or str(got['size']) + ' bytes'}")


@sandbox_app.command("probe")
def probe(
    context: typer.Context, backend: Backend = "process", assignments: Assignments = None, as_json: Json = False
) -> None:
    """Attack files, network and processes outside from inside a session; exits 0 whatever held."""
    from sandmle.plugins.sandboxes.trial import probe as attack

    document = asyncio.run(attack(_make(context, backend, assignments)))
    if as_json:
        typer.echo(json.dumps(document))
        return
    typer.echo(f"{document['backend']}, isolation level {document['level']}")
    for name, verdict in document["probes"].items():
        typer.echo(f"{name:<8} {'held' if verdict['held'] else 'BROKEN'}  {verdict['detail']}")


def _make(context: typer.Context, backend: str, assignments: list[str] | None) -> "Sandbox":
    from sandmle.core.engine.config import parse_assignments
    from sandmle.core.hooks.registry import Kind

    sandbox: Sandbox = context.obj.override(parse_assignments(assignments or [])).make(Kind.SANDBOX, backend)
    return sandbox


def _directory(public: Path | None) -> Path | None:
    from sandmle.core.errors import UsageError

    if public is not None and not public.is_dir():
        raise UsageError(f"--public {public}: there is no such directory")
    return public
