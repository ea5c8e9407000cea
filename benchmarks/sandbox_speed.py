"""What a sandboxed session costs, beside a plain subprocess that imports everything anew.

Run with `python benchmarks/sandbox_speed.py [--repeats 15] [--docker] [--json FILE]`. Each row is
measured in turn with the others, so that a machine getting busier does not favour one. The subprocess
has no isolation at all: the comparison is to its advantage. With `--docker` the same sessions run in a
container too, whose engine and image are those of `DOCKER_HOST` and `--image`.
"""

import argparse
import asyncio
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from sandmle.core.contracts.sandbox import Sandbox
from sandmle.core.types.sandbox import CellStatus, SandboxLimits
from sandmle.plugins.sandboxes.config import DockerConfig, ProcessConfig
from sandmle.plugins.sandboxes.process.backend import ProcessSandbox

TRIVIAL = "1 + 1"
PANDAS = """
import pandas as pd
frame = pd.DataFrame({"a": range(200), "b": [i % 7 for i in range(200)]})
print(frame.groupby("b")["a"].mean().sum())
"""
LOGREG = """
import numpy as np
from sklearn.linear_model import LogisticRegression
x = np.random.default_rng(0).normal(size=(150, 8)); y = (x[:, 0] > 0).astype(int)
print(LogisticRegression().fit(x, y).score(x, y))
"""
CELLS = {"trivial cell": TRIVIAL, "pandas cell": PANDAS, "LogReg cell": LOGREG}
DEADLINE_S = 60.0


async def measure(repeats: int, image: str | None) -> dict[str, Any]:
    """Seconds of every row, measured `repeats` times in turn."""
    sandboxes: dict[str, Sandbox] = {"": ProcessSandbox(ProcessConfig(zygotes=1))}
    if image is not None:
        from sandmle.plugins.sandboxes.docker.backend import DockerSandbox

        sandboxes["docker "] = DockerSandbox(DockerConfig(image=image))
    rows: dict[str, list[float]] = {}
    async with AsyncExitStack() as stack:
        for prefix, sandbox in sandboxes.items():
            stack.push_async_callback(sandbox.close)
            began = time.perf_counter()
            await sandbox.start()
            rows[f"{prefix}sandbox start with probes, once"] = [time.perf_counter() - began]
        for _ in range(repeats):
            for prefix, sandbox in sandboxes.items():
                await _session(sandbox, prefix, rows)
            _subprocesses(rows)
        return {"level": " and ".join(one.level.value for one in sandboxes.values()), "rows": rows}


async def _session(sandbox: Sandbox, prefix: str, rows: dict[str, list[float]]) -> None:
    began = time.perf_counter()
    async with sandbox.session(public_dir=None, limits=SandboxLimits()) as session:
        await session.run(TRIVIAL, DEADLINE_S)
        rows.setdefault(f"{prefix}session: start to first result", []).append(time.perf_counter() - began)
        for turn in ("first", "later"):
            for name, code in CELLS.items():
                result = await session.run(code, DEADLINE_S)
                if result.status is not CellStatus.OK:
                    raise RuntimeError(f"{name}: {result.stderr}")
                rows.setdefault(f"{prefix}session: {name}, {turn}", []).append(result.wall_s)
        before_end = time.perf_counter()
    rows.setdefault(f"{prefix}session: end", []).append(time.perf_counter() - before_end)


def _subprocesses(rows: dict[str, list[float]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, code in CELLS.items():
            script = Path(folder, "cell.py")
            script.write_text(code, encoding="utf-8")
            began = time.perf_counter()
            subprocess.run([sys.executable, str(script)], check=True, capture_output=True, timeout=DEADLINE_S)
            rows.setdefault(f"subprocess: {name}", []).append(time.perf_counter() - began)


def summary(seconds: list[float]) -> dict[str, float]:
    """Median and spread in milliseconds."""
    ordered = sorted(seconds)
    low, high = ordered[len(ordered) // 4], ordered[len(ordered) * 3 // 4]
    return {
        "median_ms": statistics.median(ordered) * 1e3,
        "quarter_ms": low * 1e3,
        "three_quarters_ms": high * 1e3,
        "least_ms": ordered[0] * 1e3,
        "most_ms": ordered[-1] * 1e3,
        "n": len(ordered),
    }


def main() -> None:
    """Measure, print a table, write JSON when asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--docker", action="store_true", help="measure sessions in a container too")
    parser.add_argument("--image", default=DockerConfig().image)
    parser.add_argument("--json", type=Path)
    words = parser.parse_args()
    measured = asyncio.run(measure(words.repeats, words.image if words.docker else None))
    table = {name: summary(seconds) for name, seconds in measured["rows"].items()}
    print(f"isolation level {measured['level']}, Python {platform.python_version()}, {platform.release()}\n")
    print(f"{'':<42}{'median':>10}{'half of them':>22}{'all':>22}")
    for name, row in table.items():
        half = f"{row['quarter_ms']:.2f} to {row['three_quarters_ms']:.2f}"
        every = f"{row['least_ms']:.2f} to {row['most_ms']:.2f}"
        print(f"{name:<42}{row['median_ms']:>10.2f}{half:>22}{every:>22}  ms")
    if words.json:
        document = {"level": measured["level"], "python": platform.python_version(), "rows": table}
        words.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
