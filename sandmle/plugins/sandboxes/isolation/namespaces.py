"""Namespaces: entered once for a whole zygote or kernel, and again for every session."""

import os
import socket
from typing import Final

from sandmle.plugins.sandboxes.isolation import libc

NOBODY: Final = 65_534
_HOST_NAME: Final = "sandbox"
_OUTER: Final = libc.CLONE_NEWNET | libc.CLONE_NEWIPC | libc.CLONE_NEWUTS | libc.CLONE_NEWPID


def enter_outer(*, new_user: bool) -> None:
    """Leave the machine's namespaces; the next child is number 1 of a new pid namespace.

    The mounts stay shared until `build_root`, so that a guardian keeps sight of the machine.

    Raises:
        OSError: not allowed here.
    """
    uid, gid = os.geteuid(), os.getegid()
    if new_user:
        libc.unshare(libc.CLONE_NEWUSER)
        _map_to(0, uid, gid)
    libc.unshare(_OUTER)
    # The machine's own name may tell whose it is.
    socket.sethostname(_HOST_NAME)


def become_nobody() -> None:
    """Enter a user namespace in which this process has no name and no capability outside."""
    uid, gid = os.geteuid(), os.getegid()
    libc.unshare(libc.CLONE_NEWUSER)
    _map_to(NOBODY, uid, gid)


def _map_to(inside: int, uid: int, gid: int) -> None:
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{inside} {uid} 1"),
        ("gid_map", f"{inside} {gid} 1"),
    ):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)


def fork_into_new_pids() -> int:
    """Fork a child that is number 1 of a pid namespace of its own; killing it kills all inside.

    Works like `os.fork`. The caller's later children are born beside it again.

    Raises:
        OSError: the kernel refused.
    """
    own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    try:
        libc.unshare(libc.CLONE_NEWPID)
        pid = os.fork()
        if pid:
            libc.setns(own, libc.CLONE_NEWPID)
    finally:
        os.close(own)
    return pid
