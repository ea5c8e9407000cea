"""What is particular to kernels: their protocol forged and flooded, magics and displays, and who outlives whom."""

import asyncio
import base64
import resource
import secrets
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from sandmle.core.types.sandbox import CellResult, CellStatus, SandboxLimits
from sandmle.plugins.sandboxes.config import JupyterConfig
from sandmle.plugins.sandboxes.jupyter.backend import JupyterSandbox
from sandmle.plugins.sandboxes.jupyter.session import JupyterSession

pytestmark = pytest.mark.asyncio(loop_scope="module")

LIMITS = SandboxLimits(memory_mb=1024, workdir_mb=32, output_chars=1000)
WAIT_S = 120.0

FORGE = """
import json, time
from ipykernel.kernelapp import IPKernelApp
app = IPKernelApp.instance()
request = app.kernel.get_parent("shell")["header"]
def raw(frames):
    # Its thread sends at the same time, and a socket belongs to one thread.
    app.iopub_thread.schedule(lambda: app.iopub_thread.socket.send_multipart(frames))
def forge(kind, content, parent={"msg_id": request["msg_id"]}, metadata={}):
    parts = [json.dumps(part).encode() for part in ({"msg_type": kind}, parent, metadata, content)]
    raw([b"topic", b"<IDS|MSG>", app.session.sign(parts), *parts])
"""
"""Code of an agent that has understood the kernel it lives in, and signs what it likes."""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def sandbox() -> AsyncIterator[JupyterSandbox]:
    made = JupyterSandbox(JupyterConfig(preload=()))
    try:
        await made.start()
        yield made
    finally:
        await made.close()


@pytest_asyncio.fixture(loop_scope="module")
async def session(sandbox: JupyterSandbox) -> AsyncIterator[JupyterSession]:
    async with sandbox.session(public_dir=None, limits=LIMITS) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def shared(sandbox: JupyterSandbox) -> AsyncIterator[JupyterSession]:
    """One session for all the tests that leave it alive."""
    async with sandbox.session(public_dir=None, limits=LIMITS) as opened:
        yield opened


async def ok(session: JupyterSession, code: str) -> str:
    result = await session.run(code, WAIT_S)
    assert result.status is CellStatus.OK, result.stderr
    return result.stdout


def host_memory_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


async def test_values_displays_and_pages_are_shown_as_text(shared):
    code = """
from IPython.display import HTML, display
class Both:
    def __repr__(self): return 'as text'
    def _repr_html_(self): return '<b>as page</b>'
display(Both(), HTML('<i>only</i>'))
print('between', end='')
Both()
"""
    assert (await ok(shared, code)).splitlines() == [
        "as text",
        "<IPython.core.display.HTML object>",
        "between",
        "as text",
    ]
    assert "Return the absolute value" in await ok(shared, "abs?")


async def test_rich_displays_are_kept_for_whoever_asks(shared):
    code = """
from IPython.display import HTML, display
class Picture:
    def _repr_png_(self): return bytes(range(256)) * 400
class Huge:
    def __repr__(self): return 'huge'
    def _repr_html_(self): return 'x' * 2_000_000
display(HTML('<i>page</i>'), Huge())
Picture()
"""
    await ok(shared, code)
    page, picture = shared.displays
    assert page["text/html"] == "<i>page</i>"
    assert base64.b64decode(picture["image/png"]) == bytes(range(256)) * 400
    await ok(shared, "1")
    assert shared.displays == ()


async def test_many_displays_cost_the_host_little(shared):
    code = "from IPython.display import HTML, display\nfor _ in range(100): display(HTML('y' * 100_000))"
    await ok(shared, code)
    kept = [text for display in shared.displays for text in display.values()]
    assert 50 < len(shared.displays) < 100
    assert sum(map(len, kept)) <= 8 * 1024 * 1024


async def test_an_interrupted_cell_ends_and_its_session_goes_on(shared):
    await ok(shared, "kept = 7")
    code = "import time\nprint('begun', flush=True)\nwhile True: time.sleep(0.01)"
    running = asyncio.create_task(shared.run(code, WAIT_S))
    while "begun" not in (await shared.output_so_far()).stdout:
        await asyncio.sleep(0.02)
    shared.interrupt()
    result = await running
    assert result.status is CellStatus.ERROR
    assert "KeyboardInterrupt" in result.stderr
    shared.interrupt()
    assert await ok(shared, "kept") == "7\n"


async def test_output_of_programs_and_forked_children_belongs_to_its_cell(shared):
    code = """
import os, subprocess, sys
print('print')
os.system('echo system')
subprocess.run(['sh', '-c', 'echo run; echo bad >&2'])
if os.fork() == 0:
    print('child', flush=True)
    os._exit(0)
os.wait()
None
"""
    for _ in range(3):
        result = await shared.run(code, WAIT_S)
        assert result.stdout.split() == ["print", "system", "run", "child"]
        assert result.stderr == "bad\n"


async def test_a_forked_child_that_runs_on_to_the_end_of_the_cell_ends_there(shared):
    code = "import os\npid = os.fork()\nif pid:\n    os.waitpid(pid, 0)\nprint('parent' if pid else 'child')"
    result = await shared.run(code, WAIT_S)
    # The kernel carries a forked child's words and its line ends apart, so theirs and the parent's may mingle.
    assert (result.status.value, sorted(result.stdout)) == ("ok", sorted("child\nparent\n"))
    assert await ok(shared, "print('next')") == "next\n"


async def test_magics_and_shell_escapes_work_and_stay_inside(shared, tmp_path):
    secret = tmp_path / "answers.csv"
    secret.write_text("the-answers")
    secret.chmod(0o644)
    assert "Wall time" in await ok(shared, "%time 1 + 1")
    assert "hello" in await ok(shared, "!echo hello")
    listed = await ok(shared, "!ls / /tmp /root /home; true")
    assert "sandbox" in listed
    assert tmp_path.parts[2] not in listed
    for code in (f"!cat {secret}", f"%%bash\ncat {secret}", f"%cat {secret}", f"%load {secret}", f"%run {secret}"):
        result = await shared.run(code, WAIT_S)
        assert "the-answers" not in result.stdout + result.stderr, code


async def test_the_whole_file_system_holds_no_answers(sandbox, tmp_path):
    marker = secrets.token_hex(16)
    public, private = tmp_path / "task" / "public", tmp_path / "task" / "private"
    for folder in (public, private):
        folder.mkdir(parents=True)
    (public / "train.csv").write_text("id,y\n1,2\n")
    (private / "answers.csv").write_text(f"id,y\n1,{marker}\n")
    # The marker is put together inside, or the search would find itself.
    code = f"""
import os
marker = '{marker[:16]}'.encode() + b'{marker[16:]}'
seen = found = 0
for top, folders, names in os.walk('/'):
    folders[:] = [name for name in folders if name not in ('site-packages', 'lib', 'usr', 'bin', 'task')]
    for name in names:
        path = os.path.join(top, name)
        try:
            with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), 'rb') as file:
                seen += 1
                if marker in (file.read(100_000) or b''): print('FOUND', path)
                if name == 'answers.csv': print('FOUND', path)
        except OSError:
            pass
print('looked at', seen > 10)
"""
    async with sandbox.session(public_dir=public, limits=LIMITS) as session:
        text = await ok(session, code)
    assert "FOUND" not in text
    assert "looked at True" in text


async def test_input_is_refused(shared):
    result = await shared.run("input('who?')", WAIT_S)
    assert result.status is CellStatus.ERROR
    assert "StdinNotImplementedError" in result.stderr


async def test_a_kernels_own_sockets_cannot_be_called_from_inside(shared):
    code = """
import glob, socket
paths = glob.glob('/tmp/k-*')
for path in paths:
    try:
        socket.socket(socket.AF_UNIX).connect(path)
        print('connected')
    except OSError as problem:
        print(problem.errno)
print(len(paths))
"""
    assert (await ok(shared, code)).split() == ["1", "1", "1", "1", "4"]


async def test_unreadable_messages_are_skipped(shared):
    code = (
        FORGE
        + """
for frames in ([b''], [b'x'] * 9, [b'<IDS|MSG>'], [b't', b'<IDS|MSG>', b'', b'{', b'{}', b'{}', b'{}']):
    raw(frames)
deep = [b'{"msg_type": "stream"}', b'{}', b'{}', b'[' * 100_000 + b']' * 100_000]
raw([b't', b'<IDS|MSG>', app.session.sign(deep), *deep])
for kind in ('stream', 'display_data', 'execute_result', 'error', 'status'):
    for content in ({}, {'text': 5}, {'text': [], 'name': {}}, {'data': 5}, {'data': {'text/plain': None}},
                    {'traceback': {}}, {'traceback': [5, None]}, {'ename': 3}, {'execution_state': {}}):
        for metadata in ({}, {'sandmle_unsent': -5}, {'sandmle_unsent': 'many'}, {'sandmle_unsent': 10**30}):
            forge(kind, content, metadata=metadata)
            forge(kind, content, parent={'msg_id': []})
print('fine')
"""
    )
    result = await shared.run(code, WAIT_S)
    assert result.status is CellStatus.OK
    assert result.stdout.split() == ["fine"]
    assert await ok(shared, "6 * 7") == "42\n"


async def test_text_that_no_file_takes_is_replaced(shared):
    text = await ok(shared, FORGE + r"forge('stream', {'name': 'stdout', 'text': 'a\ud800b\x1b[2Jc'})")
    assert text == "a?bc"
    assert "?" in await ok(shared, "print('\ud800')")


async def test_forging_the_end_of_a_cell_cheats_only_the_forger(shared):
    code = FORGE + "forge('status', {'execution_state': 'idle'})\ntime.sleep(0.5)\nprint('late')"
    assert "late" not in await ok(shared, code)
    assert await ok(shared, "print('next')") == "next\n"


@pytest.mark.parametrize(
    "attack",
    ["raw([b'x' * 100_000_000])", "raw([b'x'] * 100_000)", "raw([b'<IDS|MSG>'] + [b'x' * 1_000_000] * 50)"],
    ids=["one huge frame", "endless frames", "many big frames"],
)
async def test_an_oversized_message_ends_the_session_and_costs_the_host_nothing(session, attack):
    before = host_memory_mb()
    result = await session.run(f"{FORGE}{attack}\ntime.sleep(60)", WAIT_S)
    assert result.status is CellStatus.DIED
    assert "the kernel sent a message of more than" in result.stderr
    assert host_memory_mb() - before < 100


@pytest.mark.parametrize(
    "flood",
    [
        "while True: print('x' * 1000)",
        "while True: print('x', flush=True)",
        "import os\nwhile True: os.write(1, b'x' * 65536)",
        "from IPython.display import display\nwhile True: display({'text/plain': 'x' * 60_000}, raw=True)",
    ],
    ids=["print", "flush", "descriptor", "display"],
)
async def test_a_flood_of_output_ends_at_the_deadline_with_head_and_tail(session, flood):
    before = host_memory_mb()
    result = await session.run(f"print('HEAD')\n{flood}", 2.5)
    assert result.status in (CellStatus.TIMEOUT, CellStatus.DIED)
    assert result.stdout.startswith("HEAD")
    assert "characters left out" in result.stdout
    assert len(result.stdout) < 2 * LIMITS.output_chars
    assert host_memory_mb() - before < 100


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("import os; os._exit(3)", "exited with status 3"),
        ("import os; os.kill(os.getpid(), 9)", "deadly signal"),
        ("import ctypes; ctypes.string_at(0)", "signal 11"),
        # Either the host sees it first, or libzmq aborts the process.
        ("import os; os.closerange(3, 1000)", "the session is dead"),
    ],
    ids=["exit", "kill", "segfault", "sockets"],
)
async def test_a_kernel_that_ends_itself_is_dead_at_once(session, code, why):
    result = await session.run(code, WAIT_S)
    assert result.status is CellStatus.DIED
    assert why in result.stderr
    assert result.wall_s < WAIT_S
    assert (await session.run("1", WAIT_S)).status is CellStatus.DIED


async def test_a_loop_that_ignores_every_polite_signal_is_ended(session):
    code = """
import signal
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
    signal.signal(number, signal.SIG_IGN)
while True:
    try:
        while True: pass
    except BaseException: pass
"""
    assert (await session.run(code, 1.0)).status is CellStatus.TIMEOUT


async def test_a_session_survives_the_loss_of_its_streams(shared):
    await ok(shared, "import sys\nsys.stdout = sys.stderr = None")
    assert await ok(shared, "print('back')") == "back\n"


async def test_more_memory_in_many_processes_than_allowed_is_named_as_the_reason(session):
    code = """
import os, time
for _ in range(4):
    if os.fork() == 0:
        block = b'x' * (400 * 2**20)
        time.sleep(60)
time.sleep(60)
"""
    result = await session.run(code, WAIT_S)
    assert result.status is CellStatus.DIED
    assert "too much memory" in result.stderr


async def test_ending_a_session_tells_the_cell_that_runs(sandbox):
    async with sandbox.session(public_dir=None, limits=LIMITS) as session:
        running = asyncio.create_task(session.run("import time; time.sleep(60)", WAIT_S))
        await asyncio.sleep(0.2)
        await session.end()
        result: CellResult = await asyncio.wait_for(running, 10)
        assert result.status is CellStatus.DIED


async def test_a_cancelled_cell_ends_its_session(sandbox):
    async with sandbox.session(public_dir=None, limits=LIMITS) as session:
        running = asyncio.create_task(session.run("import time; time.sleep(60)", WAIT_S))
        await asyncio.sleep(0.2)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert (await session.run("1", WAIT_S)).status is CellStatus.DIED
