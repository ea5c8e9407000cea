"""Does a sandbox keep its contract? Run `check_sandbox` on a started one, or `CHECKS` one by one.

Each check opens sessions of its own, attacks or uses them, and raises `AssertionError` in words when
a promise of `sandmle.core.contracts.sandbox` is broken. Linux is assumed on the host's side.
"""

import asyncio
import secrets
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from sandmle.core.conformance import sandbox_cells as cells
from sandmle.core.conformance.sandbox_steps import (
    DEADLINE_S,
    MIB,
    SMALL,
    expect,
    ok,
    open_small,
    public_folder,
    refused,
    same,
)
from sandmle.core.conformance.sandbox_walls import (
    nothing_outside_is_readable,
    nothing_survives_the_end,
    others_cannot_be_signalled,
    public_files_are_read_only,
    the_hosts_environment_stays_outside,
    there_is_no_network,
)
from sandmle.core.contracts.sandbox import DATA_DIR, Sandbox, WatchableSession
from sandmle.core.types.sandbox import CellOutput, CellStatus

Check = Callable[[Sandbox, Path], Awaitable[None]]
"""A check gets a started sandbox and an empty directory on the host."""


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


async def state_is_kept_between_cells(sandbox: Sandbox, directory: Path) -> None:
    """Names, imports and files of a cell are there for the next; a trailing expression is shown."""
    async with open_small(sandbox) as session:
        await ok(session, "import math\ndef half(x):\n    return x / 2\nvalue = 41\nopen('note', 'w').write('kept')")
        shown = await ok(session, "value += 1\nprint(half(value), math.floor(2.5), open('note').read())\nvalue")
        assert shown.split() == ["21.0", "2", "kept", "42"], f"state was lost between cells: {shown!r}"


async def sessions_are_apart(sandbox: Sandbox, directory: Path) -> None:
    """Sessions run at the same time, each with its own names and work directory, empty at first."""
    async with open_small(sandbox) as one, open_small(sandbox) as two:
        found = await asyncio.gather(ok(one, "mine = 'one'\nprint(mine)"), ok(two, "mine = 'two'\nprint(mine)"))
        assert [text.strip() for text in found] == ["one", "two"], "sessions answered for one another"
        secret = secrets.token_hex(16)
        where = (await ok(one, f"import os\nopen('own', 'w').write('{secret}')\nprint(os.getcwd())")).strip()
        files = (await ok(two, "import os\nprint(os.listdir('.'))")).strip()
        assert files == "[]", f"a new work directory holds {files}"
        spy = cells.SPY.format(places=[f"{where}/own", "/tmp/own", "/dev/shm/own"])
        seen = (await two.run(spy, DEADLINE_S)).stdout
        assert secret not in seen, "a session read another session's file"


async def errors_are_data(sandbox: Sandbox, directory: Path) -> None:
    """An exception, a syntax error and an exit request are results, and the session goes on."""
    async with open_small(sandbox) as session:
        for code, name in (
            ("1 / 0", "ZeroDivisionError"),
            ("def f(:", "SyntaxError"),
            ("raise SystemExit(3)", "SystemExit"),
        ):
            result = await session.run(code, DEADLINE_S)
            expect(result, CellStatus.ERROR, code)
            assert name in result.stderr, f"the traceback of {code!r} does not name {name}: {result.stderr!r}"
        assert (await ok(session, "print('alive')")) == "alive\n", "an error ended the session"


async def streams_are_apart(sandbox: Sandbox, directory: Path) -> None:
    """Standard output and standard error arrive separately and belong to their own cell."""
    async with open_small(sandbox) as session:
        result = await session.run("import sys\nprint('to out')\nprint('to err', file=sys.stderr)", DEADLINE_S)
        assert (result.stdout, result.stderr) == ("to out\n", "to err\n"), f"streams got mixed: {result}"
        assert await ok(session, "print('second')") == "second\n", "output of an earlier cell came again"


async def long_output_keeps_head_and_tail(sandbox: Sandbox, directory: Path) -> None:
    """Much output is cut in the middle, says how much is missing, and its ends are kept."""
    async with open_small(sandbox) as session:
        text = await ok(session, "print('HEAD' + 'x' * 3_000_000 + 'TAIL')")
        assert len(text) <= SMALL.output_chars + 200, f"{len(text)} characters of {SMALL.output_chars} came through"
        assert text.startswith("HEAD"), "the head of a long output is gone"
        assert text.rstrip().endswith("TAIL"), "the tail of a long output is gone"
        missing = 3_000_009 - SMALL.output_chars
        assert str(missing) in text, f"a long output does not say that {missing} characters are left out"


async def output_is_safe_to_show(sandbox: Sandbox, directory: Path) -> None:
    """Escape sequences and control characters do not reach the reader; other text does."""
    async with open_small(sandbox) as session:
        text = await ok(session, r"print('\x1b[31mred\x1b[0m \x1b]0;title\x07\x00\x08\x9b2J\u202e żółw \U0001f422')")
        bad = [char for char in text if not char.isprintable() and char not in "\n\t"]
        assert not bad, f"control characters came through: {bad!r}"
        assert "red" in text, f"ordinary text was lost: {text!r}"
        assert "żółw \U0001f422" in text, f"text beyond ASCII was lost: {text!r}"


async def a_long_cell_runs(sandbox: Sandbox, directory: Path) -> None:
    """A cell of a megabyte is no problem."""
    async with open_small(sandbox) as session:
        assert await ok(session, f"text = '{'x' * MIB}'\nprint(len(text))") == f"{MIB}\n", "a long cell was cut"


async def a_deadline_ends_the_session(sandbox: Sandbox, directory: Path) -> None:
    """A cell past its deadline is a timeout; later cells are `died`; what was written can be fetched."""
    async with open_small(sandbox) as session:
        result = await session.run(
            "open('early', 'w').write('kept')\nprint('before', flush=True)\nwhile True: pass", 3.0
        )
        expect(result, CellStatus.TIMEOUT, "an endless loop")
        assert "before" in result.stdout, "what a cell printed before its deadline is lost"
        expect(await session.run("1", DEADLINE_S), CellStatus.DIED, "a cell after a timeout")
        got = await session.fetch("early", 100)
        same(got, {"early": b"kept"}, "after a timeout")


async def a_running_cell_can_be_watched(sandbox: Sandbox, directory: Path) -> None:
    """Where a session offers it, what a cell has written is seen while it runs and after it was killed."""
    async with open_small(sandbox) as session:
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
        expect(result, CellStatus.DIED, "a cell whose session was ended")
        assert result.stdout == "half way\n", f"what a killed cell had written is lost: {result.stdout!r}"
        assert (await session.output_so_far()).stdout == "half way\n", "what a killed cell had written is not shown"


async def dying_is_the_sessions_own_act(sandbox: Sandbox, directory: Path) -> None:
    """A process that ends itself gives `died`, its files stay, and the machinery is in health."""
    async with open_small(sandbox) as session:
        result = await session.run("open('last', 'w').write('words')\nimport os\nos._exit(3)", DEADLINE_S)
        expect(result, CellStatus.DIED, "os._exit")
        expect(await session.run("1", DEADLINE_S), CellStatus.DIED, "a cell after a death")
        await sandbox.check_health()
        got = await session.fetch("last", 100)
        same(got, {"last": b"words"}, "after a death")
    async with open_small(sandbox) as session:
        await session.end()
        await session.end()
        expect(await session.run("1", DEADLINE_S), CellStatus.DIED, "a cell after the end")


async def memory_is_limited(sandbox: Sandbox, directory: Path) -> None:
    """Far more memory than allowed is an error or a death, and nobody else's trouble."""
    async with open_small(sandbox) as session:
        code = f"block = bytearray({4 * SMALL.memory_mb * MIB})\nfor at in range(0, len(block), 4096): block[at] = 1"
        result = await session.run(code, DEADLINE_S)
        assert result.status in (CellStatus.ERROR, CellStatus.DIED), f"four times the memory limit: {result.status}"
    await sandbox.check_health()


async def only_plain_files_are_fetched(sandbox: Sandbox, directory: Path) -> None:
    """No link, special file, directory or path to elsewhere is handed over; a plain file is."""
    canary = directory / "answers.csv"
    canary.write_text("the answers", encoding="utf-8")
    async with open_small(sandbox, public_folder(directory)) as session:
        await ok(session, cells.STRANGE_FILES.format(canary=str(canary)))
        got = await session.fetch("plain.bin", 1000)
        same(got, {"plain.bin": bytes(range(256))}, "a plain file")
        got = await session.fetch("sub/inner.txt", 1000)
        same(got, {"sub/inner.txt": b"in"}, "a file in a directory")
        for path in ("link", "linkdir/inner.txt", "hard", "fifo", "sub", "nowhere", "plain.bin/x", "zero", "", "a\0b"):
            refused(await session.fetch(path, 1000), repr(path))
        for path in (str(canary), "/etc/passwd", "../plain.bin", "sub/../../x", f"{DATA_DIR}/../../{canary.name}"):
            refused(await session.fetch(path, 1000), path)
        refused(await session.fetch("plain.bin", 255), "a file one byte larger than allowed")


async def whole_trees_are_fetched(sandbox: Sandbox, directory: Path) -> None:
    """A directory comes as relative paths to bytes; one bad file, too many or too much refuse it all."""
    async with open_small(sandbox) as session:
        await ok(
            session,
            "import os\nos.makedirs('made/sub')\n"
            "for i in range(300): open(f'made/sub/{i}.png', 'wb').write(b'x' * 100)",
        )
        got = await session.fetch_tree("made", MIB, 1000)
        same(got, {f"made/sub/{i}.png": b"x" * 100 for i in range(300)}, "a plain tree")
        refused(await session.fetch_tree("made", 29_999, 1000), "a tree with one byte too many")
        refused(await session.fetch_tree("made", MIB, 299), "a tree with one file too many")
        for path in ("nowhere", "..", "/", "made/sub/7.png"):
            refused(await session.fetch_tree(path, MIB, 1000), f"the tree {path!r}")
        await ok(session, "os.symlink('/etc/passwd', 'made/bad')")
        refused(await session.fetch_tree("made", MIB, 1000), "a tree with a symbolic link")


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
