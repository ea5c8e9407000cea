"""Shared by all tests: one small corpus, made once by the program itself."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# How long an example takes says more of the machine than of the code.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

# A shell ignores interrupts for what it starts in the background, and a child inherits that: here, they count.
signal.signal(signal.SIGINT, signal.default_int_handler)

ProgramRun = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def sandmle() -> ProgramRun:
    """Run the program as a user does, in a process of its own, and expect an exit code."""

    def run(*words: object, code: int = 0, **variables: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "sandmle.cli", *map(str, words)],
            capture_output=True,
            text=True,
            check=False,
            # A hang, and not the pace of a busy machine.
            timeout=1800,
            env={**os.environ, **variables},
        )
        assert done.returncode == code, f"{words} gave {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done

    return run


@pytest.fixture(scope="session")
def sandmle_json(sandmle: ProgramRun) -> Callable[..., Any]:
    """Run the program with `--json` and read its one document."""
    return lambda *words, **options: json.loads(sandmle(*words, "--json", **options).stdout)


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory, sandmle: ProgramRun) -> Path:
    """Six tasks of rng seed 7, made by two workers."""
    out = tmp_path_factory.mktemp("corpus") / "tasks"
    sandmle("synth", "-n", 6, "--rng-seed", 7, "--workers", 2, "-o", out)
    return out


@pytest.fixture(scope="session")
def task_dirs(corpus: Path) -> list[Path]:
    return sorted(path.parent for path in corpus.glob("*/task.toml"))
