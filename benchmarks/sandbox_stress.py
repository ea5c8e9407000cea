"""Many living sessions on few processors, and zygotes killed under them: does anything get lost?

Run with `python benchmarks/sandbox_stress.py [--sessions 256] [--cells 2] [--cpu 0.05] [--kill-every SECONDS]`.
All sessions are opened and held first; then each runs its cells, all at once, without the turns that a rollout
takes. Prints how sessions and cells ended, and how long opening and ending took. Without kills every session
must be there to its end; with kills, what is lost must be a `SandboxError` and the sandbox in health afterwards.
"""

import argparse
import asyncio
import contextlib
import os
import random
import signal
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from sandmle.core.errors import SandboxError
from sandmle.core.types.sandbox import SandboxLimits
from sandmle.plugins.sandboxes.config import ProcessConfig
from sandmle.plugins.sandboxes.process.backend import ProcessSandbox

BUSY = "import time\nuntil = time.process_time() + {cpu}\nwhile time.process_time() < until: sum(range(10000))"
DEADLINE_S = 3600.0


@dataclass
class Tally:
    """What came of it all."""

    endings: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))


async def play(sandbox: ProcessSandbox, words: argparse.Namespace, together: asyncio.Barrier, tally: Tally) -> None:
    """One session from its start to its end."""
    began, is_open = time.monotonic(), False
    try:
        async with sandbox.session(public_dir=None, limits=SandboxLimits()) as session:
            is_open = True
            tally.seconds["open"].append(time.monotonic() - began)
            await together.wait()
            for _ in range(words.cells):
                result = await session.run(BUSY.format(cpu=words.cpu), DEADLINE_S)
                tally.endings[f"cell {result.status.value}"] += 1
            began = time.monotonic()
        tally.seconds["end"].append(time.monotonic() - began)
        tally.endings["session whole"] += 1
    except SandboxError as problem:
        tally.endings[f"session lost: {str(problem)[:80]}"] += 1
        if not is_open:
            await together.wait()


async def kill_zygotes(sandbox: ProcessSandbox, every_s: float) -> None:
    """Kill a zygote at random now and then, for ever."""
    rng = random.Random(0)
    while True:
        await asyncio.sleep(rng.uniform(0.5, 1.5) * every_s)
        zygote = rng.choice(sandbox._places).zygote
        if zygote is not None and zygote.death is None:
            with contextlib.suppress(OSError, IndexError):
                os.kill(
                    int(Path(f"/proc/{zygote.pid}/task/{zygote.pid}/children").read_text().split()[0]), signal.SIGKILL
                )


async def main() -> None:
    """Open, run, count, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=256)
    parser.add_argument("--cells", type=int, default=2)
    parser.add_argument("--cpu", type=float, default=0.05, help="processor seconds of each cell")
    parser.add_argument("--zygotes", type=int, default=1)
    parser.add_argument("--kill-every", type=float, help="seconds between kills")
    words = parser.parse_args()
    sandbox, tally = ProcessSandbox(ProcessConfig(zygotes=words.zygotes)), Tally()
    try:
        await sandbox.start()
        together, began = asyncio.Barrier(words.sessions), time.monotonic()
        killer = asyncio.create_task(kill_zygotes(sandbox, words.kill_every)) if words.kill_every else None
        await asyncio.gather(*(play(sandbox, words, together, tally) for _ in range(words.sessions)))
        if killer:
            killer.cancel()
        print(f"level {sandbox.level}, {time.monotonic() - began:.1f} s")
        with contextlib.suppress(SandboxError):
            await sandbox.check_health()
        await sandbox.check_health()
    finally:
        await sandbox.close()
    for name, count in sorted(tally.endings.items()):
        print(f"{count:6d}  {name}")
    for name, seconds in tally.seconds.items():
        print(f"{name}: median {sorted(seconds)[len(seconds) // 2]:.3f} s, longest {max(seconds):.3f} s")


if __name__ == "__main__":
    asyncio.run(main())
