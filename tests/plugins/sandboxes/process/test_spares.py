"""Sessions that a zygote keeps ready: none that is dead is handed out, and none of another kind."""

import asyncio
import os
import random
import shutil
import signal
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from sandmle.core.types.sandbox import CellStatus, IsolationLevel, SandboxLimits
from sandmle.plugins.sandboxes.config import ProcessConfig
from sandmle.plugins.sandboxes.process.backend import ProcessSandbox
from sandmle.plugins.sandboxes.process.patience import child_of
from sandmle.plugins.sandboxes.process.session import ProcessSession

LIMITS = SandboxLimits()
WAIT_S = 60.0


@pytest_asyncio.fixture(params=["L3", "L2"])
async def sandbox(request: pytest.FixtureRequest) -> AsyncIterator[ProcessSandbox]:
    made = ProcessSandbox(ProcessConfig(zygotes=1, preload=(), spares=3, strongest=IsolationLevel(request.param)))
    try:
        await made.start()
        yield made
    finally:
        await made.close()


async def test_sessions_that_die_while_they_wait_are_never_handed_out(sandbox: ProcessSandbox) -> None:
    rng = random.Random(0)
    for number in range(6):
        await until(lambda: len(children(sandbox)) == 3)
        for pid in rng.sample(children(sandbox), 1 + number % 3):
            os.kill(pid, signal.SIGKILL)
        async with sandbox.session(public_dir=None, limits=LIMITS) as session:
            assert (await session.run("6 * 7", WAIT_S)).stdout == "42\n"


async def test_a_session_kept_ready_shows_the_directory_there_is_now(sandbox: ProcessSandbox, tmp_path: Path) -> None:
    public = tmp_path / "public"
    for content in ("first", "second", "third"):
        public.mkdir()
        (public / "train.csv").write_text(content)
        async with sandbox.session(public_dir=public, limits=LIMITS) as session:
            assert (await session.run("print(open('data/train.csv').read())", WAIT_S)).stdout == f"{content}\n"
        await until(lambda: len(children(sandbox)) >= 6)
        shutil.rmtree(public)


async def test_a_session_has_the_limits_that_were_asked_for(sandbox: ProcessSandbox) -> None:
    for megabytes in (256, 512, 256):
        limits = SandboxLimits(memory_mb=1024, workdir_mb=megabytes)
        async with sandbox.session(public_dir=None, limits=limits) as session:
            code = "import resource; print(resource.getrlimit(resource.RLIMIT_FSIZE)[0] >> 20)"
            assert (await session.run(code, WAIT_S)).stdout == f"{megabytes}\n"


async def test_kinds_that_nobody_asks_for_any_more_are_given_up(sandbox: ProcessSandbox) -> None:
    for number in range(7):
        limits = SandboxLimits(output_chars=1000 + number)
        async with sandbox.session(public_dir=None, limits=limits) as session:
            await session.run("1", WAIT_S)
    await until(lambda: len(children(sandbox)) == 4 * 3)


async def test_a_hundred_sessions_at_once_have_each_their_own_streams(sandbox: ProcessSandbox) -> None:
    async with asyncio.TaskGroup() as group:
        together = asyncio.Barrier(110)
        for number in range(110):
            group.create_task(_say(sandbox, number, together))


async def _say(sandbox: ProcessSandbox, number: int, together: asyncio.Barrier) -> None:
    async with sandbox.session(public_dir=None, limits=LIMITS) as session:
        await together.wait()
        assert (await session.run(f"print({number})", WAIT_S)).stdout == f"{number}\n"


async def test_a_session_kept_ready_has_its_memory_already() -> None:
    code = (
        "import resource\nbefore = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\nimport pandas as pd\n"
        "frame = pd.DataFrame({'a': range(50), 'c': [1, 2] * 25})\nframe.groupby('c')['a'].mean(), frame.describe()\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)"
    )
    faults = {}
    for spares in (0, 1):
        made = ProcessSandbox(ProcessConfig(zygotes=1, preload=("numpy", "pandas"), spares=spares))
        try:
            await made.start()
            seen = []
            # On a busy machine a spare may be wanted before it had the time to copy its memory.
            for _ in range(1 + 3 * spares):
                if spares:
                    await until(lambda made=made: bool(children(made)))
                    await _rests(children(made)[0])
                async with made.session(public_dir=None, limits=LIMITS) as session:
                    seen.append(await _number(session, code))
            faults[spares] = min(seen)
        finally:
            await made.close()
    assert faults[1] < faults[0] / 2


async def _number(session: ProcessSession, code: str) -> int:
    result = await session.run(code, WAIT_S)
    assert result.status is CellStatus.OK, result.stderr
    return int(result.stdout)


async def _rests(pid: int) -> None:
    """Wait until a process has stopped working."""
    used = -1.0
    while used != (used := _used(pid)):
        await asyncio.sleep(0.5)


def _used(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    # What it did, unless it still waits for a processor.
    return -1.0 if fields[0] == "R" else float(fields[11]) + float(fields[12])


def children(sandbox: ProcessSandbox) -> list[int]:
    """What the zygote has forked and not yet buried."""
    zygote = sandbox._places[0].zygote
    assert zygote is not None
    pid = child_of(zygote.pid)
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def until(so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 4 * WAIT_S
    while not so() and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
    assert so()
