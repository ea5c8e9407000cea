"""Start a container and meet the zygote inside it."""

import asyncio
import contextlib
import os
import select
import shutil
import socket
import struct
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from sandmle.core.errors import SandboxError
from sandmle.plugins.sandboxes.config import DockerConfig
from sandmle.plugins.sandboxes.docker import layout
from sandmle.plugins.sandboxes.docker.engine import Engine, Order, Running
from sandmle.plugins.sandboxes.isolation import Plan
from sandmle.plugins.sandboxes.process import wire
from sandmle.plugins.sandboxes.process.host import ZygoteProcess
from sandmle.plugins.sandboxes.process.launch import BARE_PACKAGE, clean_environment, library_paths, source_root

_BOOT: Final = f"""
import os, sys
os.dup2(os.open({layout.LOG!r}, os.O_WRONLY | os.O_APPEND), 2)
if sys.version_info < (3, 11):
    sys.exit("the image has Python %d.%d, and 3.11 or newer is needed" % sys.version_info[:2])
{BARE_PACKAGE}
from sandmle.plugins.sandboxes.docker.entry import main
main(sys.argv[1])
"""
_LOG: Final = "log"
_SHOWN_BYTES: Final = 2000
_CREDENTIALS: Final = struct.Struct("3i")


@dataclass(frozen=True, slots=True, kw_only=True)
class Berth:
    """What is the same for every container of one sandbox."""

    engine: Engine
    config: DockerConfig
    image: str
    """The image's content address: what its name means may change meanwhile."""
    memory_mb: int
    folder: Path
    """A directory of this process alone."""
    public: Path
    """The directory that every container sees as `layout.PUBLIC`."""


@dataclass(frozen=True, slots=True)
class _Container:
    """The body of a zygote."""

    engine: Engine
    id: str
    pid: int

    async def vanish(self) -> None:
        # An engine that is gone cannot be asked; the container ended with the pipe, and a later start clears away.
        with contextlib.suppress(SandboxError):
            await asyncio.to_thread(self.engine.remove, self.id)


async def launch(berth: Berth, plan: Plan, uid: int, large: Path | None = None) -> ZygoteProcess:
    """Start a container with a zygote and wait until it is warm.

    Args:
        berth: The sandbox it is for.
        plan: How sessions inside are enclosed; without namespaces.
        uid: User inside.
        large: Public files to mount for the one session of this container.

    Raises:
        SandboxError: the engine refused, the image will not do, or it took too long.
    """
    config = berth.config
    async with _meeting_place(berth.folder) as (run, listener):
        libraries = library_paths() if config.lend_libraries else []
        lent = {f"{layout.LIBRARIES}/{number}": path for number, path in enumerate(libraries)}
        mounts = {
            f"{layout.CODE}/sandmle": str(source_root() / "sandmle"),
            layout.RUN: str(run),
            layout.PUBLIC: str(berth.public),
            **lent,
        }
        if large is not None:
            mounts[layout.LARGE] = str(large)
        order = Order(
            image=berth.image,
            command=(config.python, "-s", "-P", "-c", _BOOT, ",".join(config.preload)),
            uid=uid,
            mounts=mounts,
            log=str(run / _LOG),
            environment=_environment(),
            memory_mb=berth.memory_mb,
            processes=config.processes,
            gpus=config.gpus,
        )
        async with contextlib.AsyncExitStack() as stack:
            running = await _run(berth.engine, order)
            stack.push_async_callback(_remove, berth.engine, running.id)
            control, facts = await _called(listener, running, run / _LOG, config.start_timeout_s)
            stack.pop_all()
    zygote = _take_over(berth, running, control, plan, _fitting(facts, lent))
    await zygote.ready(config.start_timeout_s)
    return zygote


@asynccontextmanager
async def _meeting_place(folder: Path) -> AsyncIterator[tuple[Path, socket.socket]]:
    """A directory with a socket for one call; afterwards nothing is left that could be called."""
    run = Path(tempfile.mkdtemp(prefix="run-", dir=folder))
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            where = os.open(run, os.O_PATH | os.O_DIRECTORY)
            try:
                # By descriptor, since the name of a socket must be short and the folder's may not be.
                listener.bind(f"/proc/self/fd/{where}/{Path(layout.SOCKET).name}")
            finally:
                os.close(where)
            (run / _LOG).touch()
            os.chmod(run / _LOG, 0o666)
            os.chmod(run, 0o755)
            os.chmod(run / Path(layout.SOCKET).name, 0o666)
            listener.listen(1)
            listener.setblocking(False)
            yield run, listener
    finally:
        shutil.rmtree(run, ignore_errors=True)


async def _run(engine: Engine, order: Order) -> Running:
    """Start a container; one that starts although nobody waits for it any more is removed."""
    starting = asyncio.ensure_future(asyncio.to_thread(engine.run, order))
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        with contextlib.suppress(SandboxError):
            await asyncio.to_thread(engine.remove, (await starting).id)
        raise


async def _remove(engine: Engine, container: str) -> None:
    """See to it that a container goes, also when the wait for it is cut short."""
    await asyncio.shield(asyncio.to_thread(engine.remove, container))


async def _called(
    listener: socket.socket, running: Running, log: Path, timeout_s: float
) -> tuple[socket.socket, dict[str, Any]]:
    """The connection that the container's first process makes, and what it says about itself.

    Raises:
        SandboxError: it ended before, or did not call in time.
    """
    loop = asyncio.get_running_loop()
    call = asyncio.ensure_future(loop.sock_accept(listener))
    ended = asyncio.ensure_future(_end_of(running.pid))
    try:
        await asyncio.wait({call, ended}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        if not call.done():
            raise _silence(log if ended.done() else None, timeout_s)
        control, _ = call.result()
    finally:
        call.cancel()
        ended.cancel()
    control.setblocking(False)
    caller, _, _ = _CREDENTIALS.unpack(control.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    # Zero is a process of a namespace we cannot look into.
    if caller not in (running.pid, 0):
        control.close()
        raise SandboxError(f"process {caller}, which is not the container's first, called in its place")
    data = await asyncio.wait_for(loop.sock_recv(control, layout.FACTS_BYTES), timeout_s)
    if not data:
        control.close()
        raise _silence(log, timeout_s)
    return control, wire.unpack(data)


def _silence(log: Path | None, timeout_s: float) -> SandboxError:
    """What is known about a container that does not call; it has ended when there is a `log` to look at."""
    if log is None:
        return SandboxError(
            f"the container did not call within {timeout_s:g} s: its engine must run on this machine and see this "
            "machine's directories (a virtual machine does not); else raise start_timeout_s"
        )
    words = log.read_bytes()[-_SHOWN_BYTES:].decode("utf-8", "replace").strip()
    return SandboxError(f"the container ended before its zygote was there: {words or 'it said nothing'}")


async def _end_of(pid: int) -> None:
    """Wait for the end of a process that is not our child."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        while not select.select([fd], [], [], 0)[0]:
            await asyncio.sleep(0.05)
    finally:
        os.close(fd)


def _take_over(
    berth: Berth, running: Running, control: socket.socket, plan: Plan, libraries: tuple[str, ...]
) -> ZygoteProcess:
    """Hand the zygote what keeps it alive and its orders."""
    life_read, life_write = os.pipe()
    log = os.fdopen(os.memfd_create("zygote", os.MFD_CLOEXEC), "w+b")
    try:
        socket.send_fds(control, [layout.HELLO], [life_read, log.fileno()])
        control.send(
            wire.pack({
                "plan": asdict(plan), "preload": () if berth.config.is_cold else berth.config.preload,
                "cold": berth.config.is_cold, "spares": berth.config.spares,
                # Those that the engine has put into the container.
                "devices": "all" if berth.config.gpus else (),
                "scratch": layout.ZYGOTE_SCRATCH, "libraries": libraries, "hidden": [layout.CODE],
            })
        )  # fmt: skip
    except OSError:
        # It has ended already, which the zygote's reader will see and tell.
        pass
    finally:
        os.close(life_read)
    return ZygoteProcess(_Container(berth.engine, running.id, running.pid), control, life_write, log)


def _fitting(facts: Mapping[str, Any], lent: Mapping[str, str]) -> tuple[str, ...]:
    """The lent directories, when the image lacks something and compiled modules of ours can be loaded in it."""
    return tuple(lent) if facts["lacking"] and facts["python"] == list(sys.version_info[:2]) else ()


def _environment() -> dict[str, str]:
    """A zygote's environment, with the image's own search path and a name for a user without one."""
    return {name: value for name, value in clean_environment().items() if name != "PATH"} | {"LOGNAME": "agent"}
