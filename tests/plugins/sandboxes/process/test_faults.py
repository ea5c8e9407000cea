"""When the machinery fails, it says so, gets up again, and leaves nothing behind."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from sandmle.core.errors import SandboxError
from sandmle.core.types.sandbox import CellStatus, IsolationLevel, SandboxLimits
from sandmle.plugins.sandboxes.config import ProcessConfig
from sandmle.plugins.sandboxes.isolation import Plan, plans
from sandmle.plugins.sandboxes.process import session as session_module
from sandmle.plugins.sandboxes.process import zygotes
from sandmle.plugins.sandboxes.process.backend import ProcessSandbox
from sandmle.plugins.sandboxes.process.host import Ending

LIMITS = SandboxLimits()
PATIENCE_S = 120.0
"""For cells that end by themselves, however busy the machine is."""
HOST = """
import asyncio, sys
from sandmle.core.types.sandbox import IsolationLevel, SandboxLimits
from sandmle.plugins.sandboxes.config import ProcessConfig
from sandmle.plugins.sandboxes.process.backend import ProcessSandbox
async def main():
    sandbox = ProcessSandbox(ProcessConfig(zygotes=1, preload=(), strongest=IsolationLevel(sys.argv[1])))
    await sandbox.start()
    async with sandbox.session(public_dir=None, limits=SandboxLimits()) as session:
        await session.run(
            "import subprocess, sys\\n"
            "words = [sys.executable, '-c', 'import time; time.sleep(300)', %r]\\n"
            "for _ in range(3): subprocess.Popen(words)" % sys.argv[2],
            20)
        print("ready", flush=True)
        await session.run("while True: pass", 300)
asyncio.run(main())
"""


@pytest_asyncio.fixture(params=["L3", "L2"])
async def sandbox(request: pytest.FixtureRequest) -> AsyncIterator[ProcessSandbox]:
    made = ProcessSandbox(ProcessConfig(zygotes=1, preload=(), strongest=IsolationLevel(request.param)))
    try:
        await made.start()
        yield made
    finally:
        await made.close()


def zygote_pid(sandbox: ProcessSandbox) -> int:
    """The zygote itself, the one child of its guardian."""
    zygote = sandbox._places[0].zygote
    assert zygote is not None
    return int(Path(f"/proc/{zygote.pid}/task/{zygote.pid}/children").read_text().split()[0])


def processes_with(marker: str) -> list[str]:
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if marker.encode() in place.read_bytes():
                found.append(place.parent.name)
        except OSError:
            continue
    return found


async def test_a_killed_zygote_is_an_error_and_the_next_session_works(sandbox: ProcessSandbox) -> None:
    async with sandbox.session(public_dir=None, limits=LIMITS) as session:
        await session.run("open('kept', 'w').write('x')", PATIENCE_S)
        os.kill(zygote_pid(sandbox), signal.SIGKILL)
        with pytest.raises(SandboxError, match="zygote was lost"):
            await session.run("import time; time.sleep(20)", 30)
        assert "kept" in (await session.fetch("kept", 10)).files
    async with sandbox.session(public_dir=None, limits=LIMITS) as session:
        assert (await session.run("6 * 7", PATIENCE_S)).stdout == "42\n"


async def test_check_health_reports_a_dead_zygote_and_has_replaced_it(sandbox: ProcessSandbox) -> None:
    os.kill(zygote_pid(sandbox), signal.SIGKILL)
    with pytest.raises(SandboxError, match="started again"):
        await sandbox.check_health()
    await sandbox.check_health()


async def test_a_hung_zygote_is_given_up_and_replaced(sandbox: ProcessSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "_KILL_TIMEOUT_S", 0.5)
    monkeypatch.setattr(session_module, "_OPEN_TIMEOUT_S", 0.5)
    async with sandbox.session(public_dir=None, limits=LIMITS) as session:
        os.kill(zygote_pid(sandbox), signal.SIGSTOP)
        with pytest.raises(SandboxError, match="did not end a session"):
            await session.run("while True: pass", 0.5)
    hung = await _restarted(sandbox)
    os.kill(hung, signal.SIGSTOP)
    async with sandbox.session(public_dir=None, limits=LIMITS) as session:
        assert (await session.run("6 * 7", PATIENCE_S)).stdout == "42\n"
        assert zygote_pid(sandbox) != hung


async def test_a_busy_machine_makes_a_zygote_late_but_not_lost(
    sandbox: ProcessSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "_KILL_TIMEOUT_S", 1.0)
    monkeypatch.setattr(session_module, "_OPEN_TIMEOUT_S", 1.0)
    many = 4 * len(os.sched_getaffinity(0))
    busy = "import time\nuntil = time.monotonic() + 3\nwhile time.monotonic() < until: pass"

    async def play() -> CellStatus:
        async with sandbox.session(public_dir=None, limits=LIMITS) as session:
            return (await session.run(busy, 120)).status

    assert await asyncio.gather(*(play() for _ in range(many))) == [CellStatus.OK] * many


async def test_sessions_are_forked_ahead_and_a_dead_one_is_not_handed_out(sandbox: ProcessSandbox) -> None:
    zygote = await _restarted(sandbox)
    children = Path(f"/proc/{zygote}/task/{zygote}/children")
    deadline = time.monotonic() + 20
    while not (ahead := children.read_text().split()) and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
    assert len(ahead) == 1
    async with sandbox.session(public_dir=None, limits=LIMITS):
        assert ahead[0] in children.read_text().split()
        while len(after := set(children.read_text().split()) - set(ahead)) < 1 and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        os.kill(int(after.pop()), signal.SIGKILL)
        async with sandbox.session(public_dir=None, limits=LIMITS) as session:
            assert (await session.run("6 * 7", PATIENCE_S)).stdout == "42\n"


async def test_a_zygote_that_has_forked_much_is_replaced_and_keeps_the_sessions_it_has(
    sandbox: ProcessSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await _restarted(sandbox)
    zygote = sandbox._places[0].zygote
    assert zygote is not None
    monkeypatch.setattr(zygotes, "_FORKS_OF_ONE", zygote.forks + 1)
    async with sandbox.session(public_dir=None, limits=LIMITS) as old:
        async with sandbox.session(public_dir=None, limits=LIMITS) as new:
            assert zygote_pid(sandbox) != first
            assert [(await one.run("6 * 7", PATIENCE_S)).stdout for one in (old, new)] == ["42\n"] * 2
        assert Path(f"/proc/{first}").exists()
    await _restarted(sandbox)
    assert not Path(f"/proc/{first}").exists()


async def test_many_who_ask_for_health_share_a_check(sandbox: ProcessSandbox) -> None:
    zygote = sandbox._places[0].zygote
    assert zygote is not None
    before = zygote.forks
    await asyncio.gather(*(sandbox.check_health() for _ in range(20)))
    assert zygote.forks - before <= 2


async def _restarted(sandbox: ProcessSandbox) -> int:
    async with sandbox.session(public_dir=None, limits=LIMITS):
        return zygote_pid(sandbox)


@pytest.mark.parametrize("level", ["L3", "L2"])
def test_nothing_survives_a_killed_host(level: str, tmp_path: Path) -> None:
    marker = f"sandmle-survivor-{level}-{os.getpid()}"
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", HOST, level, marker], stdout=subprocess.PIPE, env=environment) as host:
        assert host.stdout is not None
        assert host.stdout.readline() == b"ready\n"
        # A process that has only just been exec'd shows no arguments for a moment.
        deadline = time.monotonic() + 60
        while len(processes_with(marker)) < 4 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert len(processes_with(marker)) >= 4
        host.kill()
    deadline = time.monotonic() + 60
    while (processes_with(marker) or any(tmp_path.iterdir())) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert processes_with(marker) == []
    assert list(tmp_path.iterdir()) == []


async def test_a_level_that_cannot_be_had_is_refused_with_the_way_out() -> None:
    sandbox = ProcessSandbox(ProcessConfig(zygotes=1, strongest=IsolationLevel.L0))
    with pytest.raises(SandboxError, match="allow_unsafe = true"):
        await sandbox.start()
    assert plans(IsolationLevel.L0, allow_unsafe=False) == []


async def test_an_interpreter_that_does_not_start_in_time_is_an_error() -> None:
    sandbox = ProcessSandbox(ProcessConfig(zygotes=1, start_timeout_s=0.01))
    with pytest.raises(SandboxError, match="raise start_timeout_s"):
        await sandbox.start()


async def test_a_weaker_level_comes_with_the_reason_why_there_is_no_stronger_one() -> None:
    class Late(ProcessSandbox):
        async def _try(self, plan: Plan) -> None:
            if plan.level is IsolationLevel.L3:
                raise SandboxError("the zygote was not ready within 60 s")
            self._plan = plan

        async def _fill(self) -> None:
            """There is nothing to start."""

    made = Late(ProcessConfig(zygotes=1))
    await made.start()
    assert (made.level, "L3: the zygote was not ready within 60 s" in made.detail) == (IsolationLevel.L2, True)
    await made.close()


async def test_other_systems_are_told_that_linux_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(SandboxError, match="needs Linux"):
        await ProcessSandbox(ProcessConfig(zygotes=1)).start()


async def test_a_missing_public_directory_is_an_error(sandbox: ProcessSandbox, tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="is not there"):
        async with sandbox.session(public_dir=tmp_path / "nowhere", limits=LIMITS):
            pass
    async with sandbox.session(public_dir=None, limits=LIMITS) as session:
        assert (await session.run("1 / 0", PATIENCE_S)).status is CellStatus.ERROR


async def test_whatever_signal_ends_a_session_it_is_the_sessions_own_act(sandbox: ProcessSandbox) -> None:
    for number in (signal.SIGUSR1, signal.SIGRTMIN + 6):
        async with sandbox.session(public_dir=None, limits=LIMITS) as session:
            result = await session.run(f"import os\nos.kill(os.getpid(), {int(number)})", PATIENCE_S)
            # The first process of a namespace does not die of a signal that it sends itself.
            assert result.status in (CellStatus.DIED, CellStatus.OK)
    assert Ending(-int(signal.SIGUSR1), "").describe() == "the process was ended by signal SIGUSR1"
    assert Ending(-40, "").describe() == "the process was ended by signal 40"


async def test_a_closed_sandbox_opens_no_session_and_closes_twice(sandbox: ProcessSandbox) -> None:
    await sandbox.close()
    await sandbox.close()
    with pytest.raises(SandboxError, match="not running"):
        async with sandbox.session(public_dir=None, limits=LIMITS):
            pass
