"""Makes a corpus through the program, in two halves, and measures what it took."""

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """One call of `sandmle synth`."""

    accepted: int
    """Tasks that the corpus holds now."""
    made: int
    """Of them, by this call."""
    drafts: int
    rejections: dict[str, int]
    wall_s: float
    core_s: float
    """Processor time of the program and of everything it started and waited for."""
    peak_mb: float
    """Largest resident size of any one process."""

    @property
    def core_s_per_task(self) -> float:
        return self.core_s / max(1, self.made)


def make(out: Path, count: int, rng_seed: int, mix: str, workers: int) -> Making:
    """Make the corpus hold `count` tasks.

    Raises:
        SystemExit: the program failed; what it said stands on standard error.
    """
    before = len(list(out.glob("*/task.toml")))
    words = ["synth", "-n", str(count), "--mix", mix, "--rng-seed", str(rng_seed), "--workers", str(workers)]
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "sandmle.cli", *words, "-o", str(out), "--json"], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"sandmle {' '.join(words)} ended with {process.returncode}")
    document: dict[str, Any] = json.loads(said)
    return Making(
        accepted=document["accepted"],
        made=document["accepted"] - before,
        drafts=document["drafts"],
        rejections=document["rejections"],
        wall_s=round(time.perf_counter() - started, 1),
        core_s=round(usage.ru_utime + usage.ru_stime, 1),
        peak_mb=round(usage.ru_maxrss / 1024, 1),
    )


def as_data(halves: tuple[Making, Making]) -> dict[str, Any]:
    """Both calls, the yield, and whether the second half cost more a task than the first."""
    first, second = halves
    return {
        "calls": [asdict(one) | {"core_s_per_task": round(one.core_s_per_task, 2)} for one in halves],
        "yield": round(second.accepted / max(1, second.drafts), 4),
        "growth": round(second.core_s_per_task / max(1e-9, first.core_s_per_task), 3),
    }
