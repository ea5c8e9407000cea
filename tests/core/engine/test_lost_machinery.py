"""Many episodes on the real sandbox while its zygotes are killed: nothing is lost but tries."""

import asyncio
import contextlib
import os
import random
import signal
from collections import Counter
from pathlib import Path

import pytest

from sandmle.core.engine.rollout import Plan, Rollout
from sandmle.core.engine.store import open_store, read_episodes, read_failures
from sandmle.core.types.episode import Outcome
from sandmle.core.types.trajectory import StopReason
from sandmle.plugins.sandboxes.config import ProcessConfig
from sandmle.plugins.sandboxes.process.backend import ProcessSandbox

pytestmark = pytest.mark.asyncio(loop_scope="module")

EPISODES, KILLS = 32, 4
WORK = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(300)", {marker!r}])
rows = [line.split(",")[0] for line in open("data/test.csv").read().split()[1:]]
open("submission.csv", "w").write("id,y\\n" + "".join(f"{{row}},{{row}}\\n" for row in rows))
time.sleep(0.3)
"""


def alive(marker: str) -> list[str]:
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if marker.encode() in place.read_bytes():
                found.append(place.parent.name)
    return found


async def kill_now_and_then(sandbox: ProcessSandbox, store_dir: Path) -> int:
    """Kill a zygote each time that a few more episodes are done; how many were killed."""
    rng, killed = random.Random(0), 0
    while killed < KILLS:
        await asyncio.sleep(0.1)
        if sum(1 for _ in read_episodes(store_dir)) < 4 * killed:
            continue
        zygote = rng.choice(sandbox._places).zygote
        children = f"/proc/{zygote.pid}/task/{zygote.pid}/children" if zygote and zygote.death is None else ""
        with contextlib.suppress(OSError, IndexError):
            os.kill(int(Path(children).read_text().split()[0]), signal.SIGKILL)
            killed += 1
    return killed


async def test_killed_zygotes_cost_tries_and_leave_neither_gaps_nor_processes(stage, task, tmp_path):
    marker = f"sandmle-lost-{os.getpid()}"
    sandbox = ProcessSandbox(ProcessConfig(zygotes=2, preload=()))
    plan = Plan(run_id="run", tasks=[task], group_size=EPISODES, concurrency=EPISODES, infrastructure_retries=8)
    try:
        await sandbox.start()
        crew = stage.crew((WORK.format(marker=marker), "finish"), sandbox=sandbox)
        with open_store(tmp_path / "run", {}) as store:
            killer = asyncio.create_task(kill_now_and_then(sandbox, tmp_path / "run"))
            await Rollout(crew, plan, store, lambda event: None).run(asyncio.Event())
            killer.cancel()
    finally:
        await sandbox.close()
    episodes, failures = list(read_episodes(tmp_path / "run")), list(read_failures(tmp_path / "run"))
    assert sorted(one.slot for one in episodes) == list(range(EPISODES))
    assert Counter((one.outcome, one.stop_reason) for one in episodes) == {
        (Outcome.SCORED, StopReason.FINISHED): EPISODES
    }
    assert failures
    assert {one.kind for one in failures} == {"SandboxError"}
    assert sum(one.attempts - 1 for one in episodes) == len(failures)
    assert alive(marker) == []
