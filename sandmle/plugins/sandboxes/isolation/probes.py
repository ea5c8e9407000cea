"""Live attacks on our own enclosure: the level is what they show, never what was asked for."""

import json
import os
import secrets
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from sandmle.core.contracts.sandbox import SandboxSession
from sandmle.core.errors import SandboxError
from sandmle.core.types.sandbox import CellStatus

PROBE_NAMES: Final = ("read", "connect", "kill")
_DEADLINE_S: Final = 60.0
"""They take milliseconds; on a busy machine they may wait long for their turn."""
_ATTACK: Final = """
import glob, json, os, signal, socket
path, port, pid = {path!r}, {port}, {pid}
found = {{"read": [], "connect": [], "kill": []}}
for place in (path, "/proc/self/root" + path, "/proc/1/root" + path, "/proc/%d/root%s" % (pid, path)):
    try:
        found["read"].append(open(place).read())
    except OSError as problem:
        found["read"].append(str(problem))
try:
    socket.create_connection(("127.0.0.1", port), 1).close()
    found["connect"].append("connected")
except OSError as problem:
    found["connect"].append(str(problem))
try:
    os.kill(pid, signal.SIGKILL)
    found["kill"].append("sent")
except OSError as problem:
    found["kill"].append(str(problem))
print(json.dumps(found))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How one attack ended."""

    name: str
    """`read` a file outside, `connect` to a local server, `kill` a process outside."""
    held: bool
    detail: str
    """What the attacker saw, or that it got through."""


@dataclass(frozen=True, slots=True)
class Targets:
    """Things outside a session that it must not reach."""

    path: str
    secret: str
    listener: socket.socket
    process: subprocess.Popen[bytes]


async def attack(session: SandboxSession) -> tuple[Verdict, ...]:
    """Attack three targets on this machine from inside `session`; one verdict for each.

    Raises:
        SandboxError: the session could not even run the attacks.
    """
    with targets() as outside:
        code = _ATTACK.format(path=outside.path, port=outside.listener.getsockname()[1], pid=outside.process.pid)
        result = await session.run(code, _DEADLINE_S)
        if result.status is not CellStatus.OK:
            raise SandboxError(f"the start-up probes could not run: {result.status}: {result.stderr}")
        seen: dict[str, list[str]] = json.loads(result.stdout)
        broken = {
            "read": any(outside.secret in text for text in seen["read"]),
            "connect": _was_called(outside.listener),
            # The signal may still be on its way, so that it could be sent counts too.
            "kill": "sent" in seen["kill"] or outside.process.poll() is not None,
        }
    return tuple(
        Verdict(name=name, held=not broken[name], detail="; ".join(dict.fromkeys(seen[name]))) for name in PROBE_NAMES
    )


def _was_called(listener: socket.socket) -> bool:
    try:
        listener.accept()[0].close()
    except BlockingIOError:
        return False
    return True


@contextmanager
def targets() -> Iterator[Targets]:
    """Plant a file, a server and a process; they go when the block is left, however suddenly."""
    secret = secrets.token_hex(16)
    with (
        tempfile.TemporaryDirectory(prefix="sandmle-probe-") as folder,
        socket.create_server(("127.0.0.1", 0)) as listener,
        subprocess.Popen(
            # Its input ends when we do, however suddenly, and then it leaves nothing behind.
            ["/bin/sh", "-c", 'read line; rm -rf -- "$1"', "sh", folder],
            stdin=subprocess.PIPE,
            env={"PATH": "/usr/bin:/bin"},
            start_new_session=True,
        ) as process,
    ):
        listener.setblocking(False)
        path = os.path.join(folder, "canary")
        with open(path, "w", encoding="ascii") as file:
            file.write(secret)
        # Readable by all, so that only the enclosure and no file permission is tested.
        os.chmod(folder, 0o755)
        os.chmod(path, 0o644)
        try:
            yield Targets(path, secret, listener, process)
        finally:
            process.kill()
