"""The few Linux calls Python 3.11 does not offer, each raising OSError on failure."""

import ctypes
import os
import struct
from typing import Final

_LIBC: Final = ctypes.CDLL(None, use_errno=True)

CLONE_NEWNS: Final = 0x00020000
CLONE_NEWUTS: Final = 0x04000000
CLONE_NEWIPC: Final = 0x08000000
CLONE_NEWUSER: Final = 0x10000000
CLONE_NEWPID: Final = 0x20000000
CLONE_NEWNET: Final = 0x40000000

MS_RDONLY: Final = 1
MS_NOSUID: Final = 2
MS_NODEV: Final = 4
MS_NOEXEC: Final = 8
MS_REMOUNT: Final = 32
MS_BIND: Final = 4096
MS_REC: Final = 16384
MS_PRIVATE: Final = 1 << 18
MNT_DETACH: Final = 2

PR_SET_PDEATHSIG: Final = 1
PR_SET_DUMPABLE: Final = 4
PR_SET_KEEPCAPS: Final = 8
PR_SET_SECCOMP: Final = 22
PR_SET_CHILD_SUBREAPER: Final = 36
PR_SET_NO_NEW_PRIVS: Final = 38
PR_CAP_AMBIENT: Final = 47
PR_CAP_AMBIENT_RAISE: Final = 2

SECCOMP_MODE_FILTER: Final = 2

MADV_POPULATE_READ: Final = 22
MADV_POPULATE_WRITE: Final = 23

_SYS_PIVOT_ROOT: Final = {"x86_64": 155, "aarch64": 41}
# Calls added since Linux 5.1 have one number on every architecture.
SYS_OPENAT2: Final = 437
SYS_MOUNT_SETATTR: Final = 442
SYS_LANDLOCK_CREATE_RULESET: Final = 444
SYS_LANDLOCK_ADD_RULE: Final = 445
SYS_LANDLOCK_RESTRICT_SELF: Final = 446

_AT_RECURSIVE: Final = 0x8000
_AT_FDCWD: Final = -100


def _check(result: int, doing: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{doing}: {os.strerror(number)}")
    return result


def syscall(number: int, *args: int | bytes | ctypes.Array[ctypes.c_char] | None) -> int:
    """Call the kernel directly; integers are passed as 64-bit words."""
    words = [ctypes.c_long(arg) if isinstance(arg, int) else arg for arg in args]
    return _check(_LIBC.syscall(ctypes.c_long(number), *words), f"system call {number}")


def prctl(option: int, *args: int) -> int:
    """Operate on the calling process."""
    padded = [ctypes.c_ulong(arg) for arg in (*args, 0, 0, 0, 0)[:4]]
    return _check(_LIBC.prctl(option, *padded), f"prctl {option}")


def install_filter(program: bytes) -> None:
    """Install a seccomp BPF `program` (8 bytes an instruction) for this thread and its children."""
    code = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(code))
    frame = ctypes.create_string_buffer(header, len(header))
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(frame))


def madvise(start: int, length: int, advice: int) -> None:
    """Tell the kernel how memory of this process will be used."""
    _check(_LIBC.madvise(ctypes.c_void_p(start), ctypes.c_size_t(length), advice), f"madvise {advice}")


def unshare(flags: int) -> None:
    """Leave the namespaces named by `flags` for new ones."""
    _check(_LIBC.unshare(flags), f"unshare {flags:#x}")


def setns(fd: int, kind: int) -> None:
    """Enter the namespace of `kind` that `fd` refers to."""
    _check(_LIBC.setns(fd, kind), "setns")


def mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    """Mount; empty strings are passed as NULL."""
    words = [text.encode() or None for text in (source, target, kind)]
    result = _LIBC.mount(*words, ctypes.c_ulong(flags), data.encode() or None)
    _check(result, f"mount {source or kind} on {target}")


def detach(target: str) -> None:
    """Unmount `target` and everything below it, now for names and later for open files."""
    _check(_LIBC.umount2(target.encode(), MNT_DETACH), f"unmount {target}")


def pivot_root(new: str, old: str) -> None:
    """Make `new` the root and put the former root at `old`."""
    syscall(_SYS_PIVOT_ROOT[os.uname().machine], new.encode(), old.encode())


def make_read_only(target: str) -> None:
    """Make the mount at `target` and all mounts below it read-only, without devices and set-uid."""
    attributes = MS_RDONLY | MS_NOSUID | MS_NODEV  # MOUNT_ATTR_* have the values of these three.
    struct_attr = struct.pack("QQQQ", attributes, 0, 0, 0)
    try:
        syscall(
            SYS_MOUNT_SETATTR, _AT_FDCWD, target.encode(), _AT_RECURSIVE, struct_attr,
            len(struct_attr),
        )  # fmt: skip
    except OSError:
        # Before Linux 5.12 only one mount at a time can be changed.
        mount("", target, "", MS_BIND | MS_REMOUNT | attributes)


def set_capabilities(mask: int) -> None:
    """Keep exactly the capabilities in `mask` (numbers below 32), inherited by programs run."""
    header = ctypes.create_string_buffer(struct.pack("Ii", 0x20080522, 0), 8)
    data = struct.pack("IIIIII", mask, mask, mask, 0, 0, 0)
    body = ctypes.create_string_buffer(data, len(data))
    _check(_LIBC.capset(header, body), "capset")
    for number in range(32):
        if mask >> number & 1:
            prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number)


def open_beneath(directory: int, path: str, flags: int, resolve: int) -> int:
    """`openat2`: open `path` below the directory descriptor, resolved as strictly as `resolve` says."""
    how = struct.pack("QQQ", flags, 0, resolve)
    return syscall(SYS_OPENAT2, directory, path.encode(), how, len(how))
