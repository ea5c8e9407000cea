"""Sessions in fresh interpreters keep the same contract at the same levels, and may be given device files."""

import os
import stat
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from sandmle.core.conformance.sandbox import CHECKS, Check
from sandmle.core.errors import SandboxError
from sandmle.core.types.sandbox import CellStatus, IsolationLevel, SandboxLimits
from sandmle.plugins.sandboxes.config import ProcessConfig
from sandmle.plugins.sandboxes.isolation import gpus
from sandmle.plugins.sandboxes.process.backend import ProcessSandbox

PATIENCE_S = 120.0
LOOK = """
import os, sys
print(sorted({'numpy', 'pandas', 'sklearn'} & set(sys.modules)), [one for one in sys.modules if one[:8] == 'sandmle.'])
print({os.environ[name] for name in os.environ if name.endswith('_NUM_THREADS')}, 'PYTHONMALLOC' in os.environ)
"""
READ = """
import os, sys
with open({path!r}, 'r+b', buffering=0) as device:
    print(device.read(4), device.write(b'1234'))
for path in {others!r}:
    try:
        print(open(path, 'rb').read(4))
    except OSError as problem:
        print(type(problem).__name__)
"""


@pytest_asyncio.fixture(loop_scope="module", scope="module", params=["L3", "L2"])
async def sandbox(request: pytest.FixtureRequest) -> AsyncIterator[ProcessSandbox]:
    made = ProcessSandbox(ProcessConfig(zygotes=1, strongest=IsolationLevel(request.param), cold=True))
    try:
        await made.start()
        if made.level != request.param:
            pytest.skip(f"this machine reaches {made.level} only: {made.verdicts}")
        yield made
    finally:
        await made.close()


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_keeps_the_contract(sandbox: ProcessSandbox, check: Check, tmp_path: Path) -> None:
    await check(sandbox, tmp_path)


@pytest.mark.asyncio(loop_scope="module")
async def test_nothing_is_imported_and_libraries_may_have_threads(sandbox: ProcessSandbox) -> None:
    async with sandbox.session(public_dir=None, limits=SandboxLimits(processes=8)) as session:
        result = await session.run(LOOK, PATIENCE_S)
    threads = min(len(os.sched_getaffinity(0)), 4)
    assert result.stdout == f"[] []\n{{'{threads}'}} False\n", result.stderr


@pytest.mark.asyncio(loop_scope="module")
async def test_threads_and_programs_of_a_fresh_interpreter_work_with_numpy(sandbox: ProcessSandbox) -> None:
    code = (
        "import subprocess, sys, threading\nimport numpy as np\n"
        "done = []\nthreads = [threading.Thread(target=lambda: done.append(np.ones((99, 99)) @ np.ones((99, 99))))"
        " for _ in range(4)]\n[one.start() for one in threads]; [one.join() for one in threads]\n"
        "print(sum(one.sum() for one in done), subprocess.run([sys.executable, '-c', 'print(6 * 7)'],"
        " capture_output=True, text=True).stdout)"
    )
    async with sandbox.session(public_dir=None, limits=SandboxLimits()) as session:
        result = await session.run(code, PATIENCE_S)
    assert result.stdout == f"{4 * 99.0**3} 42\n\n", result.stderr


@pytest.fixture
def devices() -> Iterator[Path]:
    """A directory with device files named as those of two GPUs, which answer with zero bytes, or skip."""
    # Not where temporary files are: those of the machine are out of sight inside.
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        os.chmod(directory, 0o755)
        for name in ("nvidia0", "nvidia1", "nvidiactl"):
            try:
                os.mknod(f"{directory}/{name}", stat.S_IFCHR | 0o666, os.makedev(1, 5))
                os.chmod(f"{directory}/{name}", 0o666)
                with open(f"{directory}/{name}", "rb") as file:
                    file.read(1)
            except PermissionError as problem:
                pytest.skip(f"no device file can be made and used here: {problem}")
        yield Path(directory)


@pytest.mark.parametrize("level", ["L3", "L2"])
async def test_the_device_files_of_chosen_gpus_are_there_and_no_others(
    level: str, devices: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = gpus.device_files((1,), devices)
    monkeypatch.setattr(gpus, "device_files", lambda wanted: found)
    sandbox = ProcessSandbox(ProcessConfig(zygotes=1, strongest=IsolationLevel(level), gpus=(1,)))
    try:
        await sandbox.start()
        assert sandbox.level == level
        others = [str(devices / "nvidia0"), str(devices / "nvidiactl"), "/dev/tty"]
        async with sandbox.session(public_dir=None, limits=SandboxLimits()) as session:
            result = await session.run(READ.format(path=str(devices / "nvidia1"), others=others), PATIENCE_S)
        assert result.status is CellStatus.OK, result.stderr
        first, nvidia0, control, terminal = result.stdout.splitlines()
        assert first == "b'\\x00\\x00\\x00\\x00' 4"
        assert nvidia0 in ("FileNotFoundError", "PermissionError")
        assert control == "b'\\x00\\x00\\x00\\x00'"
        assert terminal in ("FileNotFoundError", "PermissionError", "OSError")
    finally:
        await sandbox.close()


async def test_gpus_that_are_not_there_are_refused_at_the_start() -> None:
    sandbox = ProcessSandbox(ProcessConfig(zygotes=1, gpus=(7,)))
    if Path("/dev/nvidia7").exists():
        pytest.skip("this machine has eight GPUs")
    with pytest.raises(SandboxError, match="no NVIDIA GPU here: there is no /dev/nvidia7"):
        await sandbox.start()


def test_numbers_choose_gpus_and_all_means_all(tmp_path: Path) -> None:
    for name in ("nvidia0", "nvidia10", "nvidia2", "nvidiactl", "nvidia-uvm", "nvidia-caps", "null"):
        (tmp_path / name).touch()
    shared = (f"{tmp_path}/nvidiactl", f"{tmp_path}/nvidia-uvm")
    assert gpus.device_files((10,), tmp_path) == (f"{tmp_path}/nvidia10", *shared)
    assert gpus.device_files("all", tmp_path) == (*(f"{tmp_path}/nvidia{at}" for at in (0, 2, 10)), *shared)
    with pytest.raises(OSError, match=r"no NVIDIA GPU here: there is no .*/nvidia0"):
        gpus.device_files("all", tmp_path / "empty")
