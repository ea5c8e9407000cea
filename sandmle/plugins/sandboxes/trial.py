"""One session by hand: run cells, fetch files, or attack, and say what happened as one document."""

import base64
import tokenize
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandmle.core.contracts.sandbox import Sandbox, SandboxSession
from sandmle.core.errors import SandboxError, UsageError, boundary
from sandmle.core.types.sandbox import CellResult, FetchRefusal, SandboxLimits
from sandmle.plugins.sandboxes.isolation.probes import attack
from sandmle.plugins.sandboxes.watching import Tell, run_watched


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What to do in one session."""

    cells: tuple[tuple[str, str], ...]
    """Name and code of each cell, in order."""
    public_dir: Path | None
    fetch: tuple[str, ...]
    timeout_s: float
    """For each cell, seconds."""
    max_bytes: int
    """Of each fetched file."""
    limits: SandboxLimits


def read_cells(paths: Sequence[Path]) -> tuple[tuple[str, str], ...]:
    """Read the files to run.

    Raises:
        UsageError: one of them cannot be read as text.
    """
    cells: list[tuple[str, str]] = []
    for path in paths:
        try:
            # As Python itself reads a source file: a byte-order mark and a coding line count.
            with tokenize.open(path) as file:
                cells.append((str(path), file.read()))
        except OSError as problem:
            raise UsageError(f"cell {path}: cannot be read ({problem.strerror})") from problem
        except UnicodeDecodeError as problem:
            raise UsageError(f"cell {path}: is not UTF-8 text ({problem.reason} at byte {problem.start})") from problem
        except SyntaxError as problem:
            raise UsageError(f"cell {path}: is not UTF-8 text ({problem.msg})") from problem
    return tuple(cells)


async def perform(sandbox: Sandbox, trial: Trial, tell: Tell) -> dict[str, Any]:
    """Run a trial in a sandbox that is not started yet.

    Args:
        sandbox: Started and closed here.
        trial: What to do.
        tell: Gets what cells write while they run, a line at a time, after the name of the cell.

    Returns:
        `backend`, `level`, `limits_by` (`watchdog`, `cgroup v2`, or null where a backend does not say), `cells` (one
        record each, also for those after a death) and `fetched`.

    Raises:
        SandboxError: the machinery failed; what the cells did never raises.
    """
    async with (
        _started(sandbox),
        sandbox.session(public_dir=trial.public_dir, limits=trial.limits) as session,
    ):
        cells = [
            _record(name, await run_watched(session, code, trial.timeout_s, _named(name, tell)))
            for name, code in trial.cells
        ]
        # What still runs in the background must not change the files while they are copied.
        await session.end()
        fetched = {path: await _fetch(session, path, trial.max_bytes) for path in trial.fetch}
        return {**_described(sandbox), "cells": cells, "fetched": fetched}


async def probe(sandbox: Sandbox) -> dict[str, Any]:
    """Attack targets outside from a session of a sandbox that is not started yet.

    Raises:
        SandboxError: it cannot be started or the attacks could not be run.
    """
    async with _started(sandbox), sandbox.session(public_dir=None, limits=SandboxLimits()) as session:
        verdicts = await attack(session)
        return {
            **_described(sandbox),
            "probes": {one.name: {"held": one.held, "detail": one.detail} for one in verdicts},
        }


@asynccontextmanager
async def _started(sandbox: Sandbox) -> AsyncIterator[None]:
    with boundary(SandboxError, f"sandbox {sandbox.name!r}"):
        try:
            await sandbox.start()
            yield
        finally:
            await sandbox.close()


def _described(sandbox: Sandbox) -> dict[str, Any]:
    limits_by = getattr(sandbox, "limits_by", None)
    return {"backend": sandbox.name, "level": sandbox.level.value, "limits_by": limits_by}


def _named(name: str, tell: Tell) -> Tell:
    return lambda line: tell(f"{name}: {line}")


def _record(name: str, result: CellResult) -> dict[str, Any]:
    return {
        "file": name,
        "status": result.status.value,
        "stdout": result.stdout,
        "stderr": result.stderr,
        "wall_s": result.wall_s,
    }


async def _fetch(session: SandboxSession, path: str, max_bytes: int) -> dict[str, Any]:
    got = await session.fetch(path, max_bytes)
    if isinstance(got, FetchRefusal):
        return {"refused": got.reason}
    data = got.files[path]
    try:
        return {"size": len(data), "text": data.decode("utf-8")}
    except UnicodeDecodeError:
        return {"size": len(data), "base64": base64.b64encode(data).decode("ascii")}
