"""Who outlives whom: kernels that wait, their zygote, guardians, sessions and the host."""

import asyncio
import gc
import os
import random
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from sandmle.core.errors import SandboxError
from sandmle.core.types.sandbox import CellStatus, SandboxLimits
from sandmle.plugins.sandboxes.config import JupyterConfig
from sandmle.plugins.sandboxes.jupyter.backend import JupyterSandbox
from sandmle.plugins.sandboxes.jupyter.kernel import Kernel
from sandmle.plugins.sandboxes.jupyter.session import JupyterSession
from sandmle.plugins.sandboxes.process.patience import child_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

LIMITS = SandboxLimits(memory_mb=1024, workdir_mb=32, output_chars=1000)
WAIT_S = 120.0


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def sandbox() -> AsyncIterator[JupyterSandbox]:
    made = JupyterSandbox(JupyterConfig(preload=(), spares=0))
    try:
        await made.start()
        yield made
    finally:
        await made.close()


async def ok(session: JupyterSession, code: str) -> str:
    result = await session.run(code, WAIT_S)
    assert result.status is CellStatus.OK, result.stderr
    return result.stdout


async def test_a_forked_kernel_has_its_imports_done_and_nothing_of_ours():
    sandbox = JupyterSandbox(JupyterConfig(preload=("no_such_module", "colorsys"), spares=0))
    try:
        await sandbox.start()
        asked = "import sys; print('colorsys' in sys.modules, 'sandmle' in sys.modules)"
        assert await use_once(sandbox, asked) == "True False\n"
    finally:
        await sandbox.close()


async def test_kernels_that_die_while_they_wait_are_never_handed_out():
    rng = random.Random(0)
    sandbox = JupyterSandbox(JupyterConfig(preload=(), spares=2))
    try:
        await sandbox.start()
        await use_once(sandbox, "1")
        for _ in range(4):
            idle = await ready_kernels(sandbox, 2)
            # The kernel itself, or the guardian above it.
            victim = rng.choice(idle)
            pid = rng.choice([victim.pid, child_of(victim.pid)])
            os.kill(pid, signal.SIGKILL)
            await until(lambda victim=victim: not victim.is_alive)
            assert await use_once(sandbox, "6 * 7") == "42\n"
    finally:
        await sandbox.close()


async def test_a_kernel_kept_ready_shows_the_directory_there_is_now(tmp_path):
    public = tmp_path / "public"
    sandbox = JupyterSandbox(JupyterConfig(preload=(), spares=1))
    try:
        await sandbox.start()
        for content in ("first", "second"):
            public.mkdir()
            (public / "train.csv").write_text(content)
            async with sandbox.session(public_dir=public, limits=LIMITS) as session:
                assert await ok(session, "print(open('data/train.csv').read())") == f"{content}\n"
            await ready_kernels(sandbox, 1)
            shutil.rmtree(public)
    finally:
        await sandbox.close()


async def test_a_killed_zygote_is_not_the_kernels_doing_and_is_started_again():
    sandbox = JupyterSandbox(JupyterConfig(preload=(), spares=1))
    try:
        await sandbox.start()
        async with sandbox.session(public_dir=None, limits=LIMITS) as session:
            running = asyncio.create_task(session.run("import time; time.sleep(60)", WAIT_S))
            await asyncio.sleep(0.2)
            zygote = sandbox._nursery._zygote
            assert zygote is not None
            os.kill(zygote.pid, signal.SIGKILL)
            with pytest.raises(SandboxError, match="zygote"):
                await running
        await sandbox.check_health()
        assert await use_once(sandbox, "6 * 7") == "42\n"
    finally:
        await sandbox.close()


async def ready_kernels(sandbox: JupyterSandbox, count: int) -> list[Kernel]:
    """The idle kernels of the kind asked for last, once there are `count`."""
    kept = sandbox._ready._kept

    def alive() -> list[Kernel]:
        return [kernel for kernel in kept[next(reversed(kept))] if kernel.is_alive]

    await until(lambda: len(alive()) >= count)
    return alive()


async def until(so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 4 * WAIT_S
    while not so() and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
    assert so()


async def use_once(sandbox: JupyterSandbox, code: str) -> str:
    async with sandbox.session(public_dir=None, limits=LIMITS) as session:
        return await ok(session, code)


async def test_a_killed_guardian_takes_its_kernel_along():
    sandbox = JupyterSandbox(JupyterConfig(spares=0))
    try:
        await sandbox.start()
        async with sandbox.session(public_dir=None, limits=LIMITS) as session:
            await ok(session, "open('kept', 'w').write('x')\nNone")
            running = asyncio.create_task(session.run("import time; time.sleep(60)", WAIT_S))
            await asyncio.sleep(0.2)
            os.kill(session._kernel.pid, signal.SIGKILL)
            # No code inside can reach a guardian, so this is no act of the agent's.
            with pytest.raises(SandboxError, match="the kernel was lost"):
                await running
            assert (await session.run("1", WAIT_S)).status is CellStatus.DIED
            assert (await session.fetch("kept", 10)).files == {"kept": b"x"}
        await sandbox.check_health()
    finally:
        await sandbox.close()


async def test_a_public_directory_that_is_not_there_is_named(sandbox, tmp_path):
    with pytest.raises(SandboxError, match="nowhere"):
        async with sandbox.session(public_dir=tmp_path / "nowhere", limits=LIMITS):
            pass


async def test_many_sessions_leave_no_descriptor_open(sandbox):
    await use_once(sandbox, "1")
    # What other tests left to the garbage collector is closed before, and not in between.
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    await asyncio.gather(*(use_once(sandbox, "1") for _ in range(3)))
    assert len(os.listdir("/proc/self/fd")) <= before


HOST = """
import asyncio, sys
from sandmle.core.types.sandbox import IsolationLevel, SandboxLimits
from sandmle.plugins.sandboxes.config import JupyterConfig
from sandmle.plugins.sandboxes.jupyter.backend import JupyterSandbox

async def main():
    sandbox = JupyterSandbox(JupyterConfig(strongest=IsolationLevel(sys.argv[1])))
    await sandbox.start()
    async with sandbox.session(public_dir=None, limits=SandboxLimits()) as session:
        code = "import subprocess, sys\\nsubprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)', %r])"
        print((await session.run(code % sys.argv[2], 30)).status, flush=True)
        await session.run("while True: pass", 300)

asyncio.run(main())
"""


@pytest.mark.parametrize("level", ["L3", "L2"])
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
async def test_nothing_outlives_the_host(level, end):
    marker = f"sandmle-{secrets.token_hex(8)}"
    with tempfile.TemporaryDirectory() as temporary:
        host = subprocess.Popen(
            [sys.executable, "-c", HOST, level, marker],
            env={**os.environ, "TMPDIR": temporary},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        try:
            assert host.stdout is not None
            assert host.stdout.readline() == b"ok\n"
            host.send_signal(end)
            host.wait(30)
        finally:
            host.kill()
            host.wait()
            host.stdout.close()
        deadline = time.monotonic() + 30
        while (left := [*processes_with(marker), *os.listdir(temporary)]) and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        assert left == []


def processes_with(marker: str) -> list[int]:
    found = []
    for place in Path("/proc").iterdir():
        try:
            if place.name.isdigit() and marker.encode() in (place / "cmdline").read_bytes():
                found.append(int(place.name))
        except OSError:
            continue
    return found
