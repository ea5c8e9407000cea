"""Does a sandbox keep its contract? Run `check_sandbox` on a started one, or `CHECKS` one by one.

Each check opens sessions of its own, attacks or uses them, and raises `AssertionError` in words when
a promise of `sandmle.core.contracts.sandbox` is broken. Linux is assumed on the host's side.
"""

import asyncio
import os
import secrets
import socket
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, ExitStack
from pathlib import Path
from typing import Final

from sandmle.core.conformance import sandbox_cells as cells
from sandmle.core.contracts.sandbox import DATA_DIR, Sandbox, SandboxSession, WatchableSession
from sandmle.core.types.sandbox import CellOutput, CellResult, CellStatus, FetchedFiles, FetchRefusal, SandboxLimits

Check = Callable[[Sandbox, Path], Awaitable[None]]
"""A check gets a started sandbox and an empty directory on the host."""

DEADLINE_S: Final = 30.0
"""For cells that are not meant to run into it: a busy machine is not a broken sandbox."""
_SMALL: Final = SandboxLimits(memory_mb=512, workdir_mb=32, output_chars=1000)
_MIB: Final = 1024 * 1024
_HARMLESS: Final = frozenset(
    {"HOME", "LANG", "LC_ALL", "LC_CTYPE", "LOGNAME", "PATH", "PWD", "SHELL", "TMPDIR", "USER"}
)
_MEANINGFUL_CHARS: Final = 8


async def check_sandbox(sandbox: Sandbox) -> list[str]:
    """Run every check on a started sandbox; what is broken, one line each, empty when nothing is."""
    problems: list[str] = []
    for check in CHECKS:
        with tempfile.TemporaryDirectory(prefix="sandmle-check-") as directory:
            try:
                await check(sandbox, Path(directory))
            except AssertionError as problem:
                problems.append(f"{getattr(check, '__name__', check)}: {problem}")
    return problems


def _open(sandbox: Sandbox, public: Path | None = None) -> AbstractAsyncContextManager[SandboxSession]:
    return sandbox.session(public_dir=public, limits=_SMALL)


async def _ok(session: SandboxSession, code: str) -> str:
    """Run a cell that must succeed; its standard output."""
    result = await session.run(code, DEADLINE_S)
    assert result.status is CellStatus.OK, f"a harmless cell ended as {result.status}: {result.stderr}"
    return result.stdout


def _expect(result: CellResult, status: CellStatus, doing: str) -> None:
    assert result.status is status, f"{doing} gave {result.status} instead of {status}: {result.stderr}"


def _refused(got: FetchedFiles | FetchRefusal, what: str) -> None:
    assert isinstance(got, FetchRefusal), f"{what} was handed over"
    assert got.reason, f"{what} was refused without a reason"


def _same(got: FetchedFiles | FetchRefusal, files: dict[str, bytes], what: str) -> None:
    assert isinstance(got, FetchedFiles), f"{what} was refused: {got.reason}"
    assert dict(got.files) == files, f"{what} was changed on the way"


def _public(directory: Path, **files: str) -> Path:
    public = directory / "task" / "public"
    public.mkdir(parents=True)
    for name, text in (files or {"train": "id,y\n1,2\n"}).items():
        (public / f"{name}.csv").write_text(text, encoding="utf-8")
    return public


async def state_is_kept_between_cells(sandbox: Sandbox, directory: Path) -> None:
    """Names, imports and files of a cell are there for the next; a trailing expression is shown."""
    async with _open(sandbox) as session:
        await _ok(session, "import math\ndef half(x):\n    return x / 2\nvalue = 41\nopen('note', 'w').write('kept')")
        shown = await _ok(session, "value += 1\nprint(half(value), math.floor(2.5), open('note').read())\nvalue")
        assert shown.split() == ["21.0", "2", "kept", "42"], f"state was lost between cells: {shown!r}"


async def sessions_are_apart(sandbox: Sandbox, directory: Path) -> None:
    """Sessions run at the same time, each with its own names and work directory, empty at first."""
    async with _open(sandbox) as one, _open(sandbox) as two:
        found = await asyncio.gather(_ok(one, "mine = 'one'\nprint(mine)"), _ok(two, "mine = 'two'\nprint(mine)"))
        assert [text.strip() for text in found] == ["one", "two"], "sessions answered for one another"
        secret = secrets.token_hex(16)
        where = (await _ok(one, f"import os\nopen('own', 'w').write('{secret}')\nprint(os.getcwd())")).strip()
        files = (await _ok(two, "import os\nprint(os.listdir('.'))")).strip()
        assert files == "[]", f"a new work directory holds {files}"
        spy = cells.SPY.format(places=[f"{where}/own", "/tmp/own", "/dev/shm/own"])
        seen = (await two.run(spy, DEADLINE_S)).stdout
        assert secret not in seen, "a session read another session's file"


async def errors_are_data(sandbox: Sandbox, directory: Path) -> None:
    """An exception, a syntax error and an exit request are results, and the session goes on."""
    async with _open(sandbox) as session:
        for code, name in (
            ("1 / 0", "ZeroDivisionError"),
            ("def f(:", "SyntaxError"),
            ("raise SystemExit(3)", "SystemExit"),
        ):
            result = await session.run(code, DEADLINE_S)
            _expect(result, CellStatus.ERROR, code)
            assert name in result.stderr, f"the traceback of {code!r} does not name {name}: {result.stderr!r}"
        assert (await _ok(session, "print('alive')")) == "alive\n", "an error ended the session"


async def streams_are_apart(sandbox: Sandbox, directory: Path) -> None:
    """Standard output and standard error arrive separately and belong to their own cell."""
    async with _open(sandbox) as session:
        result = await session.run("import sys\nprint('to out')\nprint('to err', file=sys.stderr)", DEADLINE_S)
        assert (result.stdout, result.stderr) == ("to out\n", "to err\n"), f"streams got mixed: {result}"
        assert await _ok(session, "print('second')") == "second\n", "output of an earlier cell came again"


async def long_output_keeps_head_and_tail(sandbox: Sandbox, directory: Path) -> None:
    """Much output is cut in the middle, says how much is missing, and its ends are kept."""
    async with _open(sandbox) as session:
        text = await _ok(session, "print('HEAD' + 'x' * 3_000_000 + 'TAIL')")
        assert len(text) <= _SMALL.output_chars + 200, f"{len(text)} characters of {_SMALL.output_chars} came through"
        assert text.startswith("HEAD"), "the head of a long output is gone"
        assert text.rstrip().endswith("TAIL"), "the tail of a long output is gone"
        missing = 3_000_009 - _SMALL.output_chars
        assert str(missing) in text, f"a long output does not say that {missing} characters are left out"


async def output_is_safe_to_show(sandbox: Sandbox, directory: Path) -> None:
    """Escape sequences and control characters do not reach the reader; other text does."""
    async with _open(sandbox) as session:
        text = await _ok(session, r"print('\x1b[31mred\x1b[0m \x1b]0;title\x07\x00\x08\x9b2J\u202e żółw \U0001f422')")
        bad = [char for char in text if not char.isprintable() and char not in "\n\t"]
        assert not bad, f"control characters came through: {bad!r}"
        assert "red" in text, f"ordinary text was lost: {text!r}"
        assert "żółw \U0001f422" in text, f"text beyond ASCII was lost: {text!r}"


async def a_long_cell_runs(sandbox: Sandbox, directory: Path) -> None:
    """A cell of a megabyte is no problem."""
    async with _open(sandbox) as session:
        assert await _ok(session, f"text = '{'x' * _MIB}'\nprint(len(text))") == f"{_MIB}\n", "a long cell was cut"


async def a_deadline_ends_the_session(sandbox: Sandbox, directory: Path) -> None:
    """A cell past its deadline is a timeout; later cells are `died`; what was written can be fetched."""
    async with _open(sandbox) as session:
        result = await session.run(
            "open('early', 'w').write('kept')\nprint('before', flush=True)\nwhile True: pass", 2.0
        )
        _expect(result, CellStatus.TIMEOUT, "an endless loop")
        assert "before" in result.stdout, "what a cell printed before its deadline is lost"
        _expect(await session.run("1", DEADLINE_S), CellStatus.DIED, "a cell after a timeout")
        got = await session.fetch("early", 100)
        _same(got, {"early": b"kept"}, "after a timeout")


async def a_running_cell_can_be_watched(sandbox: Sandbox, directory: Path) -> None:
    """Where a session offers it, what a cell has written is seen while it runs and after it was killed."""
    async with _open(sandbox) as session:
        if not isinstance(session, WatchableSession):
            return
        assert await session.output_so_far() == CellOutput(stdout="", stderr=""), "output before the first cell"
        code = "import sys, time\nprint('half way', flush=True)\nprint('warned', file=sys.stderr, flush=True)"
        running = asyncio.create_task(session.run(f"{code}\ntime.sleep(600)", DEADLINE_S))
        shown = CellOutput(stdout="half way\n", stderr="warned\n")
        while not running.done() and await session.output_so_far() != shown:
            await asyncio.sleep(0.05)
        assert not running.done(), f"a running cell showed nothing of what it wrote: {await session.output_so_far()}"
        await session.end()
        result = await running
        _expect(result, CellStatus.DIED, "a cell whose session was ended")
        assert result.stdout == "half way\n", f"what a killed cell had written is lost: {result.stdout!r}"
        assert (await session.output_so_far()).stdout == "half way\n", "what a killed cell had written is not shown"


async def dying_is_the_sessions_own_act(sandbox: Sandbox, directory: Path) -> None:
    """A process that ends itself gives `died`, its files stay, and the machinery is in health."""
    async with _open(sandbox) as session:
        result = await session.run("open('last', 'w').write('words')\nimport os\nos._exit(3)", DEADLINE_S)
        _expect(result, CellStatus.DIED, "os._exit")
        _expect(await session.run("1", DEADLINE_S), CellStatus.DIED, "a cell after a death")
        await sandbox.check_health()
        got = await session.fetch("last", 100)
        _same(got, {"last": b"words"}, "after a death")
    async with _open(sandbox) as session:
        await session.end()
        await session.end()
        _expect(await session.run("1", DEADLINE_S), CellStatus.DIED, "a cell after the end")


async def memory_is_limited(sandbox: Sandbox, directory: Path) -> None:
    """Far more memory than allowed is an error or a death, and nobody else's trouble."""
    async with _open(sandbox) as session:
        code = f"block = bytearray({4 * _SMALL.memory_mb * _MIB})\nfor at in range(0, len(block), 4096): block[at] = 1"
        result = await session.run(code, DEADLINE_S)
        assert result.status in (CellStatus.ERROR, CellStatus.DIED), f"four times the memory limit: {result.status}"
    await sandbox.check_health()


async def only_plain_files_are_fetched(sandbox: Sandbox, directory: Path) -> None:
    """No link, special file, directory or path to elsewhere is handed over; a plain file is."""
    canary = directory / "answers.csv"
    canary.write_text("the answers", encoding="utf-8")
    async with _open(sandbox, _public(directory)) as session:
        await _ok(session, cells.STRANGE_FILES.format(canary=str(canary)))
        got = await session.fetch("plain.bin", 1000)
        _same(got, {"plain.bin": bytes(range(256))}, "a plain file")
        got = await session.fetch("sub/inner.txt", 1000)
        _same(got, {"sub/inner.txt": b"in"}, "a file in a directory")
        for path in ("link", "linkdir/inner.txt", "hard", "fifo", "sub", "nowhere", "plain.bin/x", "zero", "", "a\0b"):
            _refused(await session.fetch(path, 1000), repr(path))
        for path in (str(canary), "/etc/passwd", "../plain.bin", "sub/../../x", f"{DATA_DIR}/../../{canary.name}"):
            _refused(await session.fetch(path, 1000), path)
        _refused(await session.fetch("plain.bin", 255), "a file one byte larger than allowed")


async def whole_trees_are_fetched(sandbox: Sandbox, directory: Path) -> None:
    """A directory comes as relative paths to bytes; one bad file, too many or too much refuse it all."""
    async with _open(sandbox) as session:
        await _ok(
            session,
            "import os\nos.makedirs('made/sub')\n"
            "for i in range(300): open(f'made/sub/{i}.png', 'wb').write(b'x' * 100)",
        )
        got = await session.fetch_tree("made", _MIB, 1000)
        _same(got, {f"made/sub/{i}.png": b"x" * 100 for i in range(300)}, "a plain tree")
        _refused(await session.fetch_tree("made", 29_999, 1000), "a tree with one byte too many")
        _refused(await session.fetch_tree("made", _MIB, 299), "a tree with one file too many")
        for path in ("nowhere", "..", "/", "made/sub/7.png"):
            _refused(await session.fetch_tree(path, _MIB, 1000), f"the tree {path!r}")
        await _ok(session, "os.symlink('/etc/passwd', 'made/bad')")
        _refused(await session.fetch_tree("made", _MIB, 1000), "a tree with a symbolic link")


async def public_files_are_read_only(sandbox: Sandbox, directory: Path) -> None:
    """The public files are under data/, whole, and cannot be changed; without them it is absent."""
    public = _public(directory, train="id,y\n1,2\n", test="id\n3\n")
    async with _open(sandbox, public) as session:
        code = "import os\nprint(sorted(os.listdir('data')), open('data/train.csv').read())"
        text = await _ok(session, code)
        assert text.strip() == "['test.csv', 'train.csv'] id,y\n1,2", f"data/ looks wrong: {text!r}"
        await session.run(cells.VANDAL, DEADLINE_S)
    left = {path.name: path.read_text(encoding="utf-8") for path in public.iterdir()}
    assert left == {"train.csv": "id,y\n1,2\n", "test.csv": "id\n3\n"}, f"a session changed the public files: {left}"
    async with _open(sandbox) as session:
        assert (await _ok(session, "import os\nprint(os.path.exists('data'))")).strip() == "False", (
            "data/ out of nowhere"
        )


async def nothing_outside_is_readable(sandbox: Sandbox, directory: Path) -> None:
    """A file beside the public directory, its neighbours and another task cannot be read by any path."""
    public = _public(directory)
    secret = secrets.token_hex(16)
    places = [directory / "task" / "private" / "answers.csv", directory / "other" / "public" / "train.csv"]
    for place in places:
        place.parent.mkdir(parents=True)
        place.write_text(secret, encoding="utf-8")
        place.chmod(0o644)
        place.parent.chmod(0o755)
    tries = [str(place) for place in places]
    tries += [
        "data/../private/answers.csv",
        f"/proc/{os.getpid()}/root{places[0]}",
        f"/proc/{os.getppid()}/root{places[0]}",
    ]
    async with _open(sandbox, public) as session:
        seen = await session.run(cells.SPY.format(places=tries), DEADLINE_S)
        assert secret not in seen.stdout + seen.stderr, "a file outside was read"
        assert "answers.csv" not in seen.stdout, "a directory outside was listed"


async def the_hosts_environment_stays_outside(sandbox: Sandbox, directory: Path) -> None:
    """No variable of the host's process reaches a session, by itself or through /proc."""
    async with _open(sandbox) as session:
        await _ok(session, cells.ENVIRONMENTS)
        got = await session.fetch("found", 10 * _MIB)
        assert isinstance(got, FetchedFiles), f"the session's notes were refused: {got}"
        inside = got.files["found"].split(b"\0")
        for name, value in os.environ.items():
            if name not in _HARMLESS and len(value) >= _MEANINGFUL_CHARS:
                assert f"{name}={value}".encode() not in inside, f"the host's variable {name} was read"


async def there_is_no_network(sandbox: Sandbox, directory: Path) -> None:
    """No TCP, no datagram, no UNIX socket of the host and no name server can be reached."""
    path, name = str(directory / "socket"), f"\0sandmle-{secrets.token_hex(8)}"
    with ExitStack() as stack:
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        udp.bind(("127.0.0.1", 0))
        unix = [stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(2)]
        for server, address in zip(unix, (path, name), strict=True):
            server.bind(address)
            server.listen()
        directory.chmod(0o755)
        os.chmod(path, 0o777)
        for server in (tcp, udp, *unix):
            server.setblocking(False)
        code = cells.CALLS.format(tcp=tcp.getsockname()[1], udp=udp.getsockname()[1], path=path, name=name)
        async with _open(sandbox) as session:
            said = await session.run(code, DEADLINE_S)
        for server, what in ((tcp, "TCP"), (unix[0], "a UNIX socket"), (unix[1], "an abstract UNIX socket")):
            try:
                server.accept()[0].close()
            except BlockingIOError:
                continue
            raise AssertionError(f"a session reached the host by {what}")
        try:
            udp.recv(100)
        except BlockingIOError:
            pass
        else:
            raise AssertionError("a session reached the host by UDP")
        assert "resolved" not in said.stdout, "a session resolved a name"


async def nothing_survives_the_end(sandbox: Sandbox, directory: Path) -> None:
    """Background processes end with their session, however they were started."""
    marker = f"sandmle-{secrets.token_hex(8)}"
    async with _open(sandbox) as session:
        started = await _ok(session, cells.DAEMONS.format(marker=marker))
        assert "started" in started, f"no background process could be started: {started!r}"
    for _ in range(100):
        if not (left := _processes_with(marker)):
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"processes {left} outlived their session")


async def others_cannot_be_signalled(sandbox: Sandbox, directory: Path) -> None:
    """A session that kills all it can reach ends nobody but itself."""
    async with _open(sandbox) as victim, _open(sandbox) as attacker:
        await _ok(victim, "value = 'alive'")
        pids = sorted({os.getpid(), os.getppid(), *_children(os.getpid())})
        await attacker.run(cells.KILLER.format(pids=pids), DEADLINE_S)
        assert await _ok(victim, "print(value)") == "alive\n", "a session was hit by another"
    await sandbox.check_health()


def _processes_with(marker: str) -> list[int]:
    found: list[int] = []
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                line = (place / "cmdline").read_bytes()
            except OSError:
                continue
            if marker.encode() in line:
                found.append(int(place.name))
    return found


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(word) for word in text.split()]


CHECKS: Final[tuple[Check, ...]] = (
    state_is_kept_between_cells,
    sessions_are_apart,
    errors_are_data,
    streams_are_apart,
    long_output_keeps_head_and_tail,
    output_is_safe_to_show,
    a_long_cell_runs,
    a_deadline_ends_the_session,
    a_running_cell_can_be_watched,
    dying_is_the_sessions_own_act,
    memory_is_limited,
    only_plain_files_are_fetched,
    whole_trees_are_fetched,
    public_files_are_read_only,
    nothing_outside_is_readable,
    the_hosts_environment_stays_outside,
    there_is_no_network,
    nothing_survives_the_end,
    others_cannot_be_signalled,
)
"""Every check, cheap ones first."""
