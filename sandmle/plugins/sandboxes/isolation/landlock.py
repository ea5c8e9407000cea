"""Landlock: which files this process and its children may touch, whom they may signal or call."""

import os
import stat
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sandmle.plugins.sandboxes.isolation import libc

# Rights by bit, from the kernel's include/uapi/linux/landlock.h.
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REMOVE_DIR, _REMOVE_FILE, _MAKE_CHAR, _MAKE_DIR = 1 << 4, 1 << 5, 1 << 6, 1 << 7
_MAKE_REG, _MAKE_SOCK, _MAKE_FIFO, _MAKE_BLOCK = 1 << 8, 1 << 9, 1 << 10, 1 << 11
_MAKE_SYM, _REFER, _TRUNCATE, _IOCTL_DEV = 1 << 12, 1 << 13, 1 << 14, 1 << 15

_ALL_BY_ABI: Final = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}
_READ: Final = _EXECUTE | _READ_FILE | _READ_DIR
_WRITE: Final = (
    _READ | _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _MAKE_FIFO
    | _MAKE_SYM | _REFER | _TRUNCATE
)  # fmt: skip
_OF_A_FILE: Final = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_TCP_BIND_AND_CONNECT: Final = 3
_SCOPE_ABSTRACT_SOCKETS_AND_SIGNALS: Final = 3
_RULE_PATH_BENEATH: Final = 1
SIGNAL_SCOPE_ABI: Final = 6
"""The first Landlock version that keeps signals inside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What may be touched. Paths that do not exist are left out."""

    read: Sequence[str]
    write: Sequence[str]
    sockets: Sequence[str] = ()
    """Directories that are writable and may hold UNIX sockets."""
    devices: Sequence[str] = ()
    """Device files that are read, written and controlled."""


def abi() -> int:
    """The kernel's Landlock version, 0 where there is none."""
    try:
        return libc.syscall(libc.SYS_LANDLOCK_CREATE_RULESET, None, 0, 1)
    except OSError:
        return 0


def restrict(access: Access) -> None:
    """Allow this process exactly `access` from now on; needs no-new-privileges to be set.

    TCP is denied where the kernel can (version 4), signals and abstract sockets to the outside
    where it can (version 6).

    Raises:
        OSError: the kernel refused.
    """
    version = abi()
    handled = _ALL_BY_ABI.get(version, (1 << 16) - 1)
    attributes = struct.pack(
        "QQQ",
        handled,
        _TCP_BIND_AND_CONNECT if version >= 4 else 0,
        _SCOPE_ABSTRACT_SOCKETS_AND_SIGNALS if version >= SIGNAL_SCOPE_ABI else 0,
    )
    size = 24 if version >= SIGNAL_SCOPE_ABI else 16 if version >= 4 else 8
    ruleset = libc.syscall(libc.SYS_LANDLOCK_CREATE_RULESET, attributes, size, 0)
    try:
        for paths, rights in (
            (access.read, _READ),
            (access.write, _WRITE),
            (access.sockets, _WRITE | _MAKE_SOCK),
            (access.devices, _READ_FILE | _WRITE_FILE | _IOCTL_DEV),
        ):
            for path in paths:
                _allow(ruleset, path, rights & handled)
        libc.syscall(libc.SYS_LANDLOCK_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(fd).st_mode):
            rights &= _OF_A_FILE
        rule = struct.pack("=Qi", rights, fd)
        libc.syscall(libc.SYS_LANDLOCK_ADD_RULE, ruleset, _RULE_PATH_BENEATH, rule, 0)
    finally:
        os.close(fd)
