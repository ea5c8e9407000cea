"""Hostile cells: each may ruin its own session and nothing else."""

import asyncio
import contextlib
import os
import secrets
import time
from pathlib import Path

import pytest

import sandmle.core
from sandmle.core.types.sandbox import CellResult, CellStatus, FetchRefusal, SandboxLimits
from sandmle.plugins.sandboxes.process.backend import ProcessSandbox

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATIENCE_S = 120.0
"""For cells that end by themselves, however busy the machine is."""
SMALL = SandboxLimits(memory_mb=512, workdir_mb=16, processes=16, output_chars=2000)
CRASHES = {
    "exit": "import os; os._exit(0)",
    "kill": "import os; os.kill(os.getpid(), 9)",
    "terminate": "import signal; signal.raise_signal(signal.SIGTERM)",
    "empty_answer": "import os; os.write(3, b''); import time; time.sleep(60)",
    "abort": "import os; os.abort()",
    "segfault": "import ctypes; ctypes.string_at(0)",
    "close_everything": "import os; os.closerange(0, 65536)",
    "smash_the_stack": "import ctypes; ctypes.memset(id(None) - 4096, 255, 1 << 20)",
}
FORK_BOMB = """
import ctypes, os
ctypes.CDLL(None).prctl(15, b'{name}', 0, 0, 0)
while True:
    try:
        os.fork()
    except OSError:
        pass
"""
FORKED_MEMORY_BOMB = """
import os, time
for _ in range(8):
    if os.fork() == 0:
        block = bytearray(200 << 20)
        for at in range(0, len(block), 4096): block[at] = 1
        time.sleep(60)
time.sleep(60)
"""
DISK_BOMB = """
import time
for number in range(1000):
    open(f'fill{number}', 'wb').write(b'x' * (1 << 20))
    time.sleep(0.01)
"""
FORGERY = """
import os, sys, threading, time
frame = sys._getframe()
while 'cell' not in frame.f_locals or not hasattr(frame.f_locals['cell'], 'nonce'):
    frame = frame.f_back
nonce = frame.f_locals['cell'].nonce
os.write(3, b'x' * 17)
os.write(3, bytes(60000))
def later():
    time.sleep(0.3)
    os.write(3, nonce + b'+')
threading.Thread(target=later).start()
"""
ESCAPES = """
import ctypes, os, resource
libc = ctypes.CDLL(None, use_errno=True)
for name, args in {calls!r}:
    if getattr(libc, name)(*args) != -1:
        print('allowed:', name)
for kind in (resource.RLIMIT_AS, resource.RLIMIT_NPROC, resource.RLIMIT_FSIZE):
    try:
        resource.setrlimit(kind, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        print('raised a limit')
    except (ValueError, OSError):
        pass
try:
    os.setuid(0)
    print('became root')
except OSError:
    pass
for path in ('/proc/1/mem', '/proc/{host}/mem', '/proc/sys/kernel/core_pattern', '/proc/sysrq-trigger', '/dev/mem'):
    try:
        os.open(path, os.O_RDWR)
        # A session that is number 1 may write its own memory.
        if path != '/proc/1/mem' or os.getpid() != 1:
            print('opened', path)
    except OSError:
        pass
"""
WALK = """
import os
found = []
for top, folders, files in os.walk('/'):
    if top == '/':
        folders.remove('proc')
    found += [os.path.join(top, name) for name in files if name == {name!r}]
print(found)
"""


def named(name: str) -> int:
    """How many processes of this machine carry a name (a fork inherits its parent's)."""
    count = 0
    for comm in Path("/proc").glob("[0-9]*/comm"):
        with contextlib.suppress(OSError):  # It ended meanwhile.
            count += comm.read_text().strip() == name
    return count


async def run(sandbox: ProcessSandbox, code: str, timeout_s: float = PATIENCE_S) -> CellResult:
    """Run one hostile cell, and make sure that a neighbour and the zygote did not notice."""
    async with sandbox.session(public_dir=None, limits=SMALL) as neighbour:
        await neighbour.run("value = 1", PATIENCE_S)
        async with sandbox.session(public_dir=None, limits=SMALL) as session:
            result = await session.run(code, timeout_s)
        after = await neighbour.run("print(value)", PATIENCE_S)
        assert after.stdout == "1\n", f"the neighbour was hit: {after}"
    await sandbox.check_health()
    return result


@pytest.mark.parametrize("name", CRASHES)
async def test_a_crash_is_the_sessions_own_death_with_its_reason(sandbox: ProcessSandbox, name: str) -> None:
    result = await run(sandbox, CRASHES[name])
    assert result.status is CellStatus.DIED
    assert "the session is dead: the process" in result.stderr


async def test_a_fork_bomb_is_bounded_and_swept_away(sandbox: ProcessSandbox) -> None:
    name = secrets.token_hex(7)  # The kernel keeps 15 characters.
    bomb = asyncio.create_task(run(sandbox, FORK_BOMB.format(name=name), timeout_s=3.0))
    most = 0
    while not bomb.done():
        most = max(most, await asyncio.to_thread(named, name))
        await asyncio.sleep(0.05)
    assert bomb.result().status in (CellStatus.TIMEOUT, CellStatus.DIED)
    assert 1 < most <= SMALL.processes
    deadline = time.monotonic() + 60
    while named(name) and time.monotonic() < deadline:
        await asyncio.sleep(0.1)
    assert named(name) == 0


async def test_memory_of_all_processes_together_is_limited(sandbox: ProcessSandbox) -> None:
    result = await run(sandbox, FORKED_MEMORY_BOMB)
    assert result.status is CellStatus.DIED
    assert "memory limit of 512 MiB" in result.stderr


async def test_memory_that_no_limit_counts_cannot_be_had(sandbox: ProcessSandbox) -> None:
    result = await run(sandbox, "import os; os.memfd_create('x')")
    assert result.status is CellStatus.ERROR
    assert "PermissionError" in result.stderr


async def test_the_disk_cannot_be_filled(sandbox: ProcessSandbox) -> None:
    result = await run(sandbox, DISK_BOMB)
    assert result.status in (CellStatus.ERROR, CellStatus.DIED)
    assert "No space left" in result.stderr or "16 MiB of files" in result.stderr


async def test_endless_output_is_bounded(sandbox: ProcessSandbox) -> None:
    result = await run(sandbox, "while True: print('x' * 1000)", timeout_s=2.0)
    assert result.status in (CellStatus.ERROR, CellStatus.TIMEOUT)
    assert len(result.stdout) < 2200
    assert "characters left out" in result.stdout


async def test_forged_and_stale_answers_are_not_believed(sandbox: ProcessSandbox) -> None:
    async with sandbox.session(public_dir=None, limits=SMALL) as session:
        await session.run(FORGERY, PATIENCE_S)
        result = await session.run("import time; time.sleep(0.8); print('done'); 1 / 0", PATIENCE_S)
        assert (result.status, result.stdout) == (CellStatus.ERROR, "done\n")


async def test_a_flood_of_forged_answers_ends_the_session_only(sandbox: ProcessSandbox) -> None:
    result = await run(sandbox, "import os\nwhile True: os.write(3, b'x' * 17)")
    assert result.status is CellStatus.DIED


async def test_what_a_flood_could_not_write_is_not_the_next_cells_output(sandbox: ProcessSandbox) -> None:
    async with sandbox.session(public_dir=None, limits=SMALL) as session:
        assert (await session.run("while True: print('x' * 1000)", PATIENCE_S)).status is CellStatus.ERROR
        assert (await session.run("print('after')", PATIENCE_S)).stdout == "after\n"


async def test_a_forked_child_cannot_answer_for_its_session(sandbox: ProcessSandbox) -> None:
    async with sandbox.session(public_dir=None, limits=SMALL) as session:
        code = "import os, time\npid = os.fork()\nif pid: time.sleep(0.5); print('parent')"
        assert (await session.run(code, PATIENCE_S)).stdout == "parent\n"


async def test_the_kernel_offers_no_way_out(sandbox: ProcessSandbox) -> None:
    calls = [
        ("unshare", (0x10000000,)),
        ("setns", (0, 0)),
        ("mount", (b"none", b"/tmp", b"tmpfs", 0, None)),
        ("umount2", (b"/proc", 2)),
        ("chroot", (b".",)),
        ("ptrace", (16, os.getpid(), 0, 0)),
        ("ptrace", (0, 0, 0, 0)),
        ("personality", (0x0040000,)),
        ("process_vm_readv", (os.getpid(), None, 0, None, 0, 0)),
        ("shmget", (0, 4096, 0o1600)),
        ("sethostname", (b"x", 1)),
    ]
    result = await run(sandbox, ESCAPES.format(calls=calls, host=os.getpid()))
    assert (result.status, result.stdout) == (CellStatus.OK, "")


async def test_a_walk_over_every_file_finds_nothing_of_ours(sandbox: ProcessSandbox, tmp_path: Path) -> None:
    name = f"canary-{secrets.token_hex(8)}"
    (tmp_path / name).write_text("secret")
    # There are the files of every installed package to be walked over.
    assert (await run(sandbox, WALK.format(name=name), timeout_s=2 * PATIENCE_S)).stdout.strip() == "[]"
    source = Path(sandmle.core.__file__).with_name("errors.py")
    result = await run(sandbox, f"open({str(source)!r})")
    assert result.status is CellStatus.ERROR
    result = await run(sandbox, "import sandmle.core")
    assert "ModuleNotFoundError" in result.stderr or "PermissionError" in result.stderr


async def test_the_interpreter_looks_fresh(sandbox: ProcessSandbox) -> None:
    code = (
        "import sys, os, threading\nprint(__name__, sys.argv, threading.active_count())\n"
        "print(os.listdir('/proc/self/fd'))"
    )
    result = await run(sandbox, code)
    assert result.stdout.startswith("__main__ [''] 1\n")
    # Standard streams, the channel, and the descriptor of the listing itself.
    assert sorted(eval(result.stdout.split("\n")[1])) == ["0", "1", "2", "3", "4"]


async def test_libraries_work_inside(sandbox: ProcessSandbox) -> None:
    code = (
        "import multiprocessing, subprocess, tempfile, pandas as pd\n"
        "from sklearn.ensemble import RandomForestClassifier\n"
        "x = pd.DataFrame({'a': range(40)}); y = x.a > 20\n"
        "print(RandomForestClassifier(10, n_jobs=2, random_state=0).fit(x, y).score(x, y))\n"
        "print(subprocess.run(['echo', 'hi'], capture_output=True, text=True).stdout.strip())\n"
        "print(tempfile.TemporaryFile().write(b'abc'))\n"
        "open('helper.py', 'w').write('value = 7')\nimport helper; print(helper.value)"
    )
    result = await run(sandbox, code)
    assert (result.status, result.stdout) == (CellStatus.OK, "1.0\nhi\n3\n7\n"), result.stderr


async def test_strange_trees_are_refused_and_still_removed(sandbox: ProcessSandbox) -> None:
    code = (
        "import os\nfor _ in range(300):\n    os.mkdir('d'); os.chdir('d')\n"
        "open('\\udcff\\n\\x1b', 'w').close()\nos.chmod('.', 0)"
    )
    async with sandbox.session(public_dir=None, limits=SMALL) as session:
        assert (await session.run(code, PATIENCE_S)).status is CellStatus.OK
        assert isinstance(await session.fetch_tree(".", 1000, 1000), FetchRefusal)
    await sandbox.check_health()


async def test_a_cancelled_cell_ends_its_session(sandbox: ProcessSandbox) -> None:
    async with sandbox.session(public_dir=None, limits=SMALL) as session:
        task = asyncio.create_task(session.run("import time; time.sleep(60)", 60.0))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await session.run("1", 5.0)).status is CellStatus.DIED
    await sandbox.check_health()


async def test_a_session_cannot_outlive_its_parent_by_forgetting_its_death(sandbox: ProcessSandbox) -> None:
    code = "import ctypes\nprint(ctypes.CDLL(None).prctl(1, 0, 0, 0, 0))"
    assert (await run(sandbox, code)).stdout == "-1\n"
