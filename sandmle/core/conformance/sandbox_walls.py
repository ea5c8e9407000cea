"""The checks of the sandbox suite that are about its walls: what a session cannot read, change, call or outlive."""

import asyncio
import os
import secrets
import socket
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from sandmle.core.conformance import sandbox_cells as cells
from sandmle.core.conformance.sandbox_steps import DEADLINE_S, MIB, ok, open_small, public_folder
from sandmle.core.contracts.sandbox import Sandbox
from sandmle.core.types.sandbox import FetchedFiles

_HARMLESS: Final = frozenset(
    {"HOME", "LANG", "LC_ALL", "LC_CTYPE", "LOGNAME", "PATH", "PWD", "SHELL", "TMPDIR", "USER"}
)
_MEANINGFUL_CHARS: Final = 8
_DYING_S: Final = 30.0
"""What is being ended needs a processor for that, which a busy machine may not have at once."""


async def public_files_are_read_only(sandbox: Sandbox, directory: Path) -> None:
    """The public files are under data/, whole, and cannot be changed; without them it is absent."""
    public = public_folder(directory, train="id,y\n1,2\n", test="id\n3\n")
    async with open_small(sandbox, public) as session:
        code = "import os\nprint(sorted(os.listdir('data')), open('data/train.csv').read())"
        text = await ok(session, code)
        assert text.strip() == "['test.csv', 'train.csv'] id,y\n1,2", f"data/ looks wrong: {text!r}"
        await session.run(cells.VANDAL, DEADLINE_S)
    left = {path.name: path.read_text(encoding="utf-8") for path in public.iterdir()}
    assert left == {"train.csv": "id,y\n1,2\n", "test.csv": "id\n3\n"}, f"a session changed the public files: {left}"
    async with open_small(sandbox) as session:
        assert (await ok(session, "import os\nprint(os.path.exists('data'))")).strip() == "False", (
            "data/ out of nowhere"
        )


async def nothing_outside_is_readable(sandbox: Sandbox, directory: Path) -> None:
    """A file beside the public directory, its neighbours and another task cannot be read by any path."""
    public = public_folder(directory)
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
    async with open_small(sandbox, public) as session:
        seen = await session.run(cells.SPY.format(places=tries), DEADLINE_S)
        assert secret not in seen.stdout + seen.stderr, "a file outside was read"
        assert "answers.csv" not in seen.stdout, "a directory outside was listed"


async def the_hosts_environment_stays_outside(sandbox: Sandbox, directory: Path) -> None:
    """No variable of the host's process reaches a session, by itself or through /proc."""
    async with open_small(sandbox) as session:
        await ok(session, cells.ENVIRONMENTS)
        got = await session.fetch("found", 10 * MIB)
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
        async with open_small(sandbox) as session:
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
    async with open_small(sandbox) as session:
        started = await ok(session, cells.DAEMONS.format(marker=marker))
        assert "started" in started, f"no background process could be started: {started!r}"
    until = time.monotonic() + _DYING_S
    while (left := _processes_with(marker)) and time.monotonic() < until:
        await asyncio.sleep(0.05)
    assert not left, f"processes {left} outlived their session"


async def others_cannot_be_signalled(sandbox: Sandbox, directory: Path) -> None:
    """A session that kills all it can reach ends nobody but itself."""
    async with open_small(sandbox) as victim, open_small(sandbox) as attacker:
        await ok(victim, "value = 'alive'")
        pids = sorted({os.getpid(), os.getppid(), *_children(os.getpid())})
        await attacker.run(cells.KILLER.format(pids=pids), DEADLINE_S)
        assert await ok(victim, "print(value)") == "alive\n", "a session was hit by another"
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
