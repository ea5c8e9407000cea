"""Makes one corpus again and again: with other numbers of workers, and killed on the way. All must be one corpus."""

import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

WORKERS: Final = (1, 2)
"""Numbers of workers with which nothing is killed."""
REACH: Final = 2.0
"""The latest kill, in shares of the mean time between two kills that all fall into one making of the corpus."""


def prove(folder: Path, count: int, rng_seed: int, mix: str, kills: int) -> dict[str, Any]:
    """Make a corpus of `count` tasks with either number of workers, and with kills by SIGKILL on the way.

    Returns:
        The manifest's hash by how the corpus was made, how many kills met a running program, and whether all are one.

    Raises:
        SystemExit: the program failed; what it said stands on standard error.
    """
    words = ["-n", str(count), "--mix", mix, "--rng-seed", str(rng_seed)]
    shutil.rmtree(folder, ignore_errors=True)
    hashes: dict[str, str] = {}
    took = 0.0
    for workers in WORKERS:
        began = time.monotonic()
        hashes[f"workers {workers}"] = _hash(_start(folder / f"workers-{workers}", words, workers))
        took = time.monotonic() - began
    rng, met = random.Random(rng_seed), 0
    for _ in range(kills):
        process = _start(folder / "killed", words, WORKERS[-1])
        met += is_killed(process, rng.uniform(0, REACH * took / kills))
    hashes[f"killed {met} times"] = _hash(_start(folder / "killed", words, WORKERS[-1]))
    return {"tasks": count, "kills": met, "manifest_sha256": hashes, "one_corpus": len(set(hashes.values())) == 1}


def proof_lines(proof: Mapping[str, Any]) -> list[str]:
    """The same for a person."""
    told = [f"  {hashed[:16]}  {how}" for how, hashed in proof["manifest_sha256"].items()]
    return [f"{proof['tasks']} tasks made again: {'one corpus' if proof['one_corpus'] else 'NOT ONE CORPUS'}", *told]


def _start(out: Path, words: list[str], workers: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "sandmle.cli", "synth", *words, "--workers", str(workers), "-o", str(out)]
    return subprocess.Popen([*command, "--json"], stdout=subprocess.PIPE)


def _hash(process: subprocess.Popen[bytes]) -> str:
    said, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"{' '.join(map(str, process.args[2:]))} ended with {process.returncode}")  # type: ignore[index, arg-type]
    return str(json.loads(said)["manifest_sha256"])


def is_killed(process: subprocess.Popen[bytes], after_s: float) -> bool:
    """Kill a program unless it has ended before."""
    with process:
        try:
            process.communicate(timeout=after_s)
        except subprocess.TimeoutExpired:
            process.kill()
            return True
    return False
