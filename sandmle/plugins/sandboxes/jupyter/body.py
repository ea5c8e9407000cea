"""A kernel's outermost process, whether the host exec'd it or a zygote forked it."""

import asyncio
import contextlib
import os
import select
import signal
import subprocess
from dataclasses import dataclass
from typing import Protocol


class Body(Protocol):
    """The process that becomes a kernel's guardian."""

    @property
    def pid(self) -> int:
        """Its process id."""
        ...

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended."""
        ...

    @property
    def is_orphan(self) -> bool:
        """Whether the process that forked it is gone, which ends it too and is not its own doing."""
        ...

    def kill(self) -> None:
        """Kill it, if it lives."""
        ...

    def close(self) -> None:
        """Let go of it once it has ended or was killed."""
        ...


@dataclass(frozen=True, slots=True)
class Execed:
    """A child of the host."""

    process: "subprocess.Popen[bytes]"

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None

    @property
    def is_orphan(self) -> bool:
        return False

    def kill(self) -> None:
        self.process.kill()

    def close(self) -> None:
        self.process.wait()


@dataclass(frozen=True, slots=True)
class Forked:
    """A child of `parent`, which waits for its end."""

    pid: int
    fd: int
    """A pidfd, by which it can be told from a later process of the same number."""
    parent: Execed

    @property
    def is_alive(self) -> bool:
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        return not poll.poll(0)

    @property
    def is_orphan(self) -> bool:
        return not self.parent.is_alive

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.fd, signal.SIGKILL)

    def close(self) -> None:
        os.close(self.fd)


async def readable(fd: int) -> None:
    """Wait until there is something to read, or the other end is closed."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(fd, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(fd)
