"""File systems: a root with nothing but the interpreter, and one private scratch per session."""

import os
import stat
from collections.abc import Sequence
from typing import Final

from sandmle.core.contracts.sandbox import DATA_DIR
from sandmle.plugins.sandboxes.isolation import libc
from sandmle.plugins.sandboxes.isolation.room import OLD_ROOT, WORK, Room

DEVICES: Final = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
TEMPORARY: Final = "/tmp"
_STAGE: Final = "/dev/stage"
_FEW: Final = libc.MS_NOSUID | libc.MS_NODEV
_INODES: Final = 32_768


def build_root(readable: Sequence[str], shared: Sequence[str], devices: Sequence[str]) -> None:
    """Replace the root by one that holds `readable` (read-only), `shared` and `devices`, in a new mount namespace.

    The machine's own root stays at `OLD_ROOT` until `furnish` detaches it.

    Raises:
        OSError: the kernel refused.
    """
    shown = [pair for path in sorted(readable) for pair in _with_sources(path)]
    libc.unshare(libc.CLONE_NEWNS)
    libc.mount("", "/", "", libc.MS_REC | libc.MS_PRIVATE)
    # Any existing directory will do to stand on: it is hidden in this namespace only.
    libc.mount("tmpfs", TEMPORARY, "tmpfs", _FEW, "size=1m,mode=755")
    root = TEMPORARY
    os.mkdir(root + OLD_ROOT)
    libc.pivot_root(root, root + OLD_ROOT)
    os.chdir("/")
    for path in (WORK, "/proc", "/dev", _STAGE, "/dev/shm", "/etc", TEMPORARY):
        os.makedirs(path, exist_ok=True)
    for path, source in shown:
        _bring(path, OLD_ROOT + source)
    for path in (*DEVICES, *devices):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        _bind_file(OLD_ROOT + path, path)
    _write_accounts()
    libc.mount("proc", "/proc", "proc", _FEW | libc.MS_NOEXEC)
    for path in shared:
        os.makedirs(path, exist_ok=True)
        libc.mount(OLD_ROOT + path, path, "", libc.MS_BIND)
    libc.mount("", "/", "", libc.MS_REMOUNT | libc.MS_BIND | libc.MS_RDONLY | _FEW)
    libc.mount("tmpfs", "/dev/shm", "tmpfs", _FEW, "size=64m,mode=1777")


def _with_sources(path: str) -> list[tuple[str, str]]:
    """`path` and, when links lead to it, the place they lead to, each with where it is found.

    Asked before the root is replaced: afterwards an absolute link would be followed in the new one.
    """
    real = os.path.realpath(path)
    if real == path:
        return [(path, path)]
    if os.path.islink(path) and os.path.realpath(os.path.dirname(path)) == os.path.dirname(path):
        return [(real, real), (path, path)]
    return [(real, real), (path, real)]


def _bring(path: str, source: str) -> None:
    """Show `source` as `path`, read-only; a link is made again as a link."""
    if os.path.lexists(path):
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.islink(source):
        os.symlink(os.readlink(source), path)
        return
    if os.path.isdir(source):
        os.mkdir(path)
        libc.mount(source, path, "", libc.MS_BIND | libc.MS_REC)
    elif os.path.isfile(source):
        _bind_file(source, path)
    else:
        return
    libc.make_read_only(path)


def _bind_file(source: str, path: str) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o644))
    libc.mount(source, path, "", libc.MS_BIND)


def _write_accounts() -> None:
    """A user data base that names nobody of this machine."""
    with open("/etc/passwd", "w", encoding="ascii") as file:
        file.write(f"root:x:0:0::/:/bin/sh\nagent:x:65534:65534::{TEMPORARY}:/bin/sh\n")
    with open("/etc/group", "w", encoding="ascii") as file:
        file.write("root:x:0:\nagent:x:65534:\n")


def _hold_below(folder: str, readable: Sequence[str]) -> list[tuple[str, int]]:
    """Descriptors of what of `readable` lies below `folder`, which is about to be mounted over.

    A virtual environment in a temporary directory is the case: without it no import would work.
    """
    wanted = sorted({place for path in readable for place in (path, os.path.realpath(path))})
    below = [path for path in wanted if path.startswith(f"{folder}/") and os.path.lexists(path)]
    return [(path, os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)) for path in below]


def _show_again(held: list[tuple[str, int]]) -> None:
    for path, fd in held:
        if not os.path.lexists(path):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if stat.S_ISLNK(os.fstat(fd).st_mode):
                os.symlink(os.readlink("", dir_fd=fd), path)
            else:
                _bring_held(path, fd)
        os.close(fd)


def _bring_held(path: str, fd: int) -> None:
    if stat.S_ISDIR(os.fstat(fd).st_mode):
        os.mkdir(path)
        libc.mount(f"/proc/self/fd/{fd}", path, "", libc.MS_BIND | libc.MS_REC)
    else:
        _bind_file(f"/proc/self/fd/{fd}", path)
    libc.make_read_only(path)


def furnish(room: Room, owner: int) -> None:
    """Give this process, in a mount namespace of its own, its work directory and the public files.

    One tmpfs holds the work directory, the temporary directory and shared memory, so that one size
    bounds them all. Afterwards the machine's files are gone.

    Raises:
        OSError: the kernel refused, or the public directory is not there.
    """
    libc.mount("proc", "/proc", "proc", _FEW | libc.MS_NOEXEC)
    options = f"size={room.limits.workdir_mb}m,nr_inodes={_INODES},mode=755"
    libc.mount("tmpfs", _STAGE, "tmpfs", _FEW, options)
    held = _hold_below(TEMPORARY, room.readable)
    for name, target in (("work", WORK), ("tmp", TEMPORARY), ("shm", "/dev/shm")):
        os.mkdir(f"{_STAGE}/{name}")
        os.chown(f"{_STAGE}/{name}", owner, owner)
        libc.mount(f"{_STAGE}/{name}", target, "", libc.MS_BIND)
    libc.detach(_STAGE)
    _show_again(held)
    if room.public_dir is not None:
        data = f"{WORK}/{DATA_DIR}"
        os.mkdir(data)
        libc.mount(OLD_ROOT + room.public_dir, data, "", libc.MS_BIND)
        flags = libc.MS_BIND | libc.MS_REMOUNT | libc.MS_RDONLY | _FEW | libc.MS_NOEXEC
        libc.mount("", data, "", flags)
    libc.detach(OLD_ROOT)
