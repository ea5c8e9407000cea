"""Many episodes on the real sandbox while its zygotes are killed: nothing is lost but tries."""

import asyncio
import contextlib
import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from sandmle.core.contracts.scaffold import EpisodeLimits
from sandmle.core.engine.rollout import Plan, Rollout
from sandmle.core.engine.store import open_store, read_episodes, read_failures
from sandmle.core.types.episode import Outcome
from sandmle.core.types.trajectory import StopReason
from sandmle.plugins.sandboxes.config import ProcessConfig
from sandmle.plugins.sandboxes.process.backend import ProcessSandbox

pytestmark = pytest.mark.asyncio(loop_scope="module")

EPISODES, KILLS = 32, 4
# Far more than any takes, however busy the machine is: an episode that its own limits end is no lost machinery.
LIMITS = EpisodeLimits(max_turns=4, cell_timeout_s=300, episode_timeout_s=1200, max_scored_submissions=2)
WORK = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(300)", {marker!r}])
rows = [line.split(",")[0] for line in open("data/test.csv").read().split()[1:]]
open("submission.csv", "w").write("id,y\\n" + "".join(f"{{row}},{{row}}\\n" for row in rows))
time.sleep(0.5)
"""


def alive(marker: str) -> list[str]:
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if marker.encode() in place.read_bytes():
                found.append(place.parent.name)
    return found


def parent_of(pid: str) -> str:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(line.split()[1] for line in status.splitlines() if line.startswith("PPid:"))


def zygote_at_work(sandbox: ProcessSandbox, marker: str, rng: random.Random) -> str:
    """The process of a zygote in which a cell is under way: one that has yet to open its sessions costs no try.

    Raises:
        OSError: what was looked at has ended meanwhile.
    """
    guardians = {str(place.zygote.pid) for place in sandbox._places if place.zygote}
    pid = rng.choice(alive(marker) or [""])
    while pid and (parent := parent_of(pid)) not in guardians:
        pid = parent if int(parent) > 1 else ""
    return pid


async def kill_now_and_then(sandbox: ProcessSandbox, store_dir: Path, marker: str) -> None:
    """Kill a zygote each time that a few more episodes are done."""
    rng, killed = random.Random(0), 0
    while killed < KILLS:
        await asyncio.sleep(0.05)
        if sum(1 for _ in read_episodes(store_dir)) < 4 * killed:
            continue
        with contextlib.suppress(OSError):
            if pid := zygote_at_work(sandbox, marker, rng):
                os.kill(int(pid), signal.SIGKILL)
                killed += 1


async def test_killed_zygotes_cost_tries_and_leave_neither_gaps_nor_processes(stage, task, tmp_path):
    marker = f"sandmle-lost-{os.getpid()}"
    sandbox = ProcessSandbox(ProcessConfig(zygotes=2, preload=()))
    plan = Plan(run_id="run", tasks=[task], group_size=EPISODES, concurrency=EPISODES, infrastructure_retries=8)
    try:
        await sandbox.start()
        crew = stage.crew((WORK.format(marker=marker), "finish"), sandbox=sandbox, rules=stage.rules(limits=LIMITS))
        with open_store(tmp_path / "run", {}) as store:
            killer = asyncio.create_task(kill_now_and_then(sandbox, tmp_path / "run", marker))
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
    # What was killed needs a processor to end.
    deadline = time.monotonic() + 60
    while alive(marker) and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
    assert alive(marker) == []
