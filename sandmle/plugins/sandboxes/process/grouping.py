"""Give a session that has just enclosed itself a cgroup of its own, before any code runs in it."""

import array
import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from sandmle.core.errors import SandboxError
from sandmle.core.types.sandbox import SandboxLimits
from sandmle.plugins.sandboxes.isolation.cgroup import Cgroup, Cgroups

_CREDENTIALS: Final = struct.Struct("3i")
_FD_BYTES: Final = array.array("i").itemsize


def receive_with_sender(channel: socket.socket, size: int) -> tuple[bytes, list[int], int | None]:
    """A message, the descriptor it may carry, and who sent it: a process id as it is seen from here.

    The kernel tells the sender where `SO_PASSCRED` was set on the channel before the message was sent.
    """
    space = socket.CMSG_SPACE(_FD_BYTES) + socket.CMSG_SPACE(_CREDENTIALS.size)
    data, ancillary, _, _ = channel.recvmsg(size, space, socket.MSG_CMSG_CLOEXEC)
    fds, sender = array.array("i"), None
    for level, kind, content in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            fds.frombytes(content[: len(content) - len(content) % _FD_BYTES])
        elif (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
            sender = _CREDENTIALS.unpack(content)[0]
    return data, list(fds), sender


@asynccontextmanager
async def grouped(cgroups: Cgroups | None, pid: int | None, limits: SandboxLimits) -> AsyncIterator[Cgroup | None]:
    """The session's own cgroup, which goes away with the block; `None` where there are none.

    Raises:
        SandboxError: on entering, when the kernel refused.
    """
    if cgroups is None or pid is None:
        yield None
        return
    try:
        # The kernel takes its time for it.
        group = await asyncio.to_thread(cgroups.enclose, pid, limits)
    except OSError as problem:
        raise SandboxError(f"a session could not be given a cgroup below {cgroups.root}: {problem}") from problem
    try:
        yield group
    finally:
        group.kill()
        cgroups.let_go(group)
