"""AIDE's own package, in an environment of its own: made when it is not there, passed over when it cannot be had.

Only what its agent imports is installed beside it; the rest of what it asks for, torch among it, is for the programs
that its agents write.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

PACKAGE: Final = "aideml==0.2.2"
IMPORTED: Final = (
    "anthropic", "backoff", "black", "coolname", "dataclasses_json", "funcy", "genson", "humanize", "igraph",
    "jsonschema", "numpy", "omegaconf", "openai", "pandas", "requests", "rich", "shutup", "tqdm",
)  # fmt: skip
INSTALL_S: Final = 150.0
ANSWER_S: Final = 120.0
PLAYER: Final = Path(__file__).with_name("aide_player.py")


class NoPeerError(Exception):
    """The package cannot be had here; the message says why."""


def make_environment(folder: Path) -> Path:
    """The interpreter of an environment that holds the package; one that stands there already is taken as it is.

    Raises:
        NoPeerError: it cannot be installed.
    """
    python = folder / "bin" / "python"
    # Importing it takes seconds; whether it is there can be told without.
    found = "import importlib.util, sys; sys.exit(importlib.util.find_spec('aide') is None)"
    if python.exists() and not subprocess.run([python, "-c", found], capture_output=True, check=False).returncode:
        return python
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    until = time.monotonic() + INSTALL_S
    # Its own dependencies are pinned and hundreds of megabytes; none of them runs in a step.
    for words in ([sys.executable, "-m", "venv", str(folder)], [*pip, "--no-deps", PACKAGE], [*pip, *IMPORTED]):
        try:
            subprocess.run(words, check=True, capture_output=True, text=True, timeout=until - time.monotonic())
        except subprocess.CalledProcessError as problem:
            lines = problem.stderr.strip().splitlines() or ["no reason given"]
            raise NoPeerError(f"{PACKAGE} cannot be installed here: {lines[-1]}") from problem
        except subprocess.TimeoutExpired as problem:
            raise NoPeerError(f"{PACKAGE} was not installed within {INSTALL_S:g} s") from problem
    return python


class Players:
    """Processes that play the package's agent, one each."""

    def __init__(self, processes: list[asyncio.subprocess.Process]) -> None:
        self._processes = processes
        self.problem: str | None = None
        """Why they play no more, when they do not."""

    async def timed(self, steps: int) -> dict[str, float] | None:
        """Have every process play so many steps at once: milliseconds for each, that passed and of processor time."""
        if self.problem:
            return None
        began = time.perf_counter()
        try:
            figures = await asyncio.gather(*(_asked(one, f"{steps}\n") for one in self._processes))
        except NoPeerError as problem:
            self.problem = str(problem)
            return None
        elapsed_s = time.perf_counter() - began
        count = steps * len(figures)
        return {"elapsed_ms": elapsed_s / count * 1e3, "cpu_ms": sum(one["cpu_s"] for one in figures) / count * 1e3}


@asynccontextmanager
async def open_players(python: Path, data: Path, folder: Path, count: int) -> AsyncIterator[Players]:
    """Start that many players, each in a folder of its own.

    Raises:
        NoPeerError: one does not come up.
    """
    processes: list[asyncio.subprocess.Process] = []
    try:
        for number in range(count):
            home = folder / f"aide_{number}"
            home.mkdir(parents=True)
            processes.append(
                await asyncio.create_subprocess_exec(
                    *(python, PLAYER, data),
                    cwd=home,
                    env={**os.environ, "OPENAI_API_KEY": "none", "OMP_NUM_THREADS": "1"},
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.DEVNULL,
                )
            )
        for one in processes:
            if await _line(one) != b"ready\n":
                raise NoPeerError(f"{PACKAGE} is installed, but its agent does not start")
        yield Players(processes)
    finally:
        for one in processes:
            if one.returncode is None:
                one.kill()
            await one.wait()


async def _asked(process: asyncio.subprocess.Process, line: str) -> dict[str, float]:
    assert process.stdin is not None
    process.stdin.write(line.encode())
    await process.stdin.drain()
    answer = await _line(process)
    if not answer:
        raise NoPeerError(f"the agent of {PACKAGE} ended while it played")
    figures: dict[str, float] = json.loads(answer)
    return figures


async def _line(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None
    try:
        async with asyncio.timeout(ANSWER_S):
            return await process.stdout.readline()
    except TimeoutError as problem:
        raise NoPeerError(f"the agent of {PACKAGE} did not answer within {ANSWER_S:g} s") from problem
