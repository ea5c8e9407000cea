"""`sandmle tasks verify`: a corpus against its manifest, and its tasks made anew."""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sandmle.core.engine.toolkit import Toolkit

FOUND_PROBLEMS = 1


def register(tasks_app: typer.Typer) -> None:
    """Add the command to `sandmle tasks`."""
    tasks_app.command("verify")(tasks_verify)


def tasks_verify(
    context: typer.Context,
    corpus: Annotated[
        Path, typer.Argument(metavar="CORPUS", help="A corpus with its manifest.json, or one task directory.")
    ],
    manifest_sha256: Annotated[
        str | None, typer.Option("--manifest-sha256", metavar="HEX", help="Hash of the manifest, as published.")
    ] = None,
    anew: Annotated[
        bool, typer.Option("--regenerate", help="Also make every task anew in the sandbox, and compare.")
    ] = False,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Set one configuration key; may be repeated.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document on stdout; progress goes to stderr.")
    ] = False,
) -> None:
    """Prove that a corpus is what its manifest says; without --regenerate, none of its code is run."""
    from sandmle.core.engine.config import parse_assignments
    from sandmle.core.engine.interrupts import run_until_interrupted
    from sandmle.core.engine.manifest import verify_corpus
    from sandmle.core.engine.plain import problem_line, problem_row
    from sandmle.core.errors import UsageError

    toolkit: Toolkit = context.obj.override(parse_assignments(assignments or []))
    if assignments:
        # Told of before long work, and where there is none too.
        _ = toolkit.settings
    if manifest_sha256 is not None and not re.fullmatch(r"[0-9a-fA-F]{64}", manifest_sha256):
        raise UsageError(f"--manifest-sha256: {manifest_sha256!r} is no hash: 64 hexadecimal digits are expected")
    found = verify_corpus(corpus, manifest_sha256)
    problems = list(found.problems)
    # What is not as it was published is not worth being run.
    left = anew and bool(problems)
    anew = anew and not problems
    if anew:
        from sandmle.plugins.synthesizer.proof.anew import regenerate_tasks

        folders = [corpus / name for name in found.tasks] if found.sha256 else [corpus]
        problems += run_until_interrupted(lambda drain: regenerate_tasks(toolkit, folders, drain))
    rows = [problem_row(name, one) for name, one in problems]
    document = {
        "tasks": len(found.tasks),
        "manifest_sha256": found.sha256 or None,
        "regenerated": anew,
        "problems": rows,
    }
    if as_json:
        typer.echo(json.dumps(document, ensure_ascii=False, indent=2))
    else:
        lines = [problem_line(row) for row in rows]
        done = ", made anew" if anew else ", none made anew because of what was found" if left else ""
        lines.append(f"{len(found.tasks)} tasks{done}, {len(rows)} problems; manifest {found.sha256 or '(none)'}")
        typer.echo("\n".join(lines))
    if rows:
        raise typer.Exit(FOUND_PROBLEMS)
