"""Take files out of a work directory that hostile code may have filled, without following it anywhere.

Works on a descriptor of the directory alone, so a session's death changes nothing.
"""

import errno
import os
import stat
from dataclasses import dataclass, field
from typing import Final

from sandmle.core.errors import SandboxError
from sandmle.core.types.sandbox import FetchedFiles, FetchRefusal
from sandmle.plugins.sandboxes.isolation import libc

# From the kernel's include/uapi/linux/openat2.h: no mount crossings, no links, never upwards.
_STRICT: Final = 0x01 | 0x02 | 0x04 | 0x08
_OPEN: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_REASONS: Final = {
    errno.ENOENT: "does not exist",
    errno.ELOOP: "is a symbolic link or lies behind one",
    errno.EXDEV: "lies outside the work directory",
    errno.ENOTDIR: "lies below something that is not a directory",
    errno.EACCES: "may not be read",
    errno.EPERM: "may not be read",
    errno.ENXIO: "is not a regular file",
    errno.ENAMETOOLONG: "has a name that is too long",
    errno.EINVAL: "is not a usable name",
    errno.ENODEV: "is not a regular file",
    errno.EAGAIN: "was being moved while it was opened",
}
_DEPTH: Final = 32


class _RefusedError(Exception):
    """A file that is not handed over; carries path and reason."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.refusal = FetchRefusal(path=path, reason=reason)


def fetch_file(directory: int, path: str, max_bytes: int) -> FetchedFiles | FetchRefusal:
    """Copy the regular file `path`, relative to the descriptor `directory`.

    Refuses links of every kind, special files, paths that leave the directory and more than
    `max_bytes`. The bytes are those of one open file, so nothing can be exchanged in between.
    """
    try:
        return FetchedFiles(files={path: _read(directory, path, path, max_bytes)})
    except _RefusedError as refused:
        return refused.refusal


def fetch_all(
    directory: int, path: str, max_bytes: int, max_files: int, skip: str | None = None
) -> FetchedFiles | FetchRefusal:
    """Copy every regular file below the directory `path`; one refusal refuses all.

    Args:
        directory: Descriptor of the work directory.
        path: Relative; `.` for all of it.
        max_bytes: In all files together.
        max_files: Entries of any kind looked at before the tree is refused.
        skip: A name directly in the work directory that is left out (the public files).
    """
    start = os.path.normpath(path)
    walk = _Walk(max_bytes=max_bytes, max_files=max_files, skip=skip, left=max_files)
    try:
        fd = _open(directory, path, path, os.O_DIRECTORY)
        try:
            walk.into(fd, "" if start == "." else f"{start}/", _DEPTH)
        finally:
            os.close(fd)
    except _RefusedError as refused:
        return refused.refusal
    return FetchedFiles(files=walk.files)


@dataclass(slots=True, kw_only=True)
class _Walk:
    """One copy of a tree under way."""

    max_bytes: int
    max_files: int
    skip: str | None
    left: int
    files: dict[str, bytes] = field(default_factory=dict)
    used: int = 0

    def into(self, fd: int, prefix: str, depth: int) -> None:
        """Copy what lies below the directory `fd`, whose path is `prefix`."""
        if depth == 0:
            raise _RefusedError(prefix, f"is nested deeper than {_DEPTH} directories")
        for name in sorted(self._names(fd, prefix)):
            self.left -= 1
            if self.left < 0:
                raise _RefusedError(prefix or ".", f"holds more than {self.max_files} files")
            path = prefix + name
            if path == self.skip:
                self.left += 1
            elif stat.S_ISDIR(_status(fd, name, path).st_mode):
                below = _open(fd, name, path, os.O_DIRECTORY)
                try:
                    self.into(below, f"{path}/", depth - 1)
                finally:
                    os.close(below)
            else:
                self.files[path] = data = _read(fd, name, path, self.max_bytes - self.used)
                self.used += len(data)

    def _names(self, fd: int, prefix: str) -> list[str]:
        names: list[str] = []
        with os.scandir(fd) as found:
            for entry in found:
                names.append(entry.name)
                if len(names) > self.left + 1:
                    raise _RefusedError(prefix or ".", f"holds more than {self.max_files} files")
        for name in names:
            if not name.isprintable():
                raise _RefusedError(f"{prefix}{name!a}", "has a name with unprintable characters")
        return names


def _status(fd: int, name: str, path: str) -> os.stat_result:
    try:
        return os.stat(name, dir_fd=fd, follow_symlinks=False)
    except OSError as problem:
        raise _refused(path, problem) from problem


def _open(directory: int, name: str, path: str, extra: int = 0) -> int:
    if not name or "\0" in name or not name.isprintable():
        raise _RefusedError(ascii(path), "is not a usable name")
    try:
        return libc.open_beneath(directory, name, _OPEN | extra, _STRICT)
    except OSError as problem:
        raise _refused(path, problem) from problem


def _refused(path: str, problem: OSError) -> _RefusedError:
    """The refusal for an error that agent code can cause; any other is the machinery's."""
    if problem.errno not in _REASONS:
        raise SandboxError(f"reading {path} out of the work directory: {problem}") from problem
    return _RefusedError(path, _REASONS[problem.errno])


def _read(directory: int, name: str, path: str, max_bytes: int) -> bytes:
    fd = _open(directory, name, path)
    try:
        status = os.fstat(fd)
        if stat.S_ISDIR(status.st_mode):
            raise _RefusedError(path, "is a directory")
        if not stat.S_ISREG(status.st_mode):
            raise _RefusedError(path, "is not a regular file")
        if status.st_nlink != 1:
            raise _RefusedError(path, "has more than one name (a hard link)")
        if status.st_size > max_bytes:
            raise _RefusedError(path, f"is larger than {max_bytes} bytes")
        # A living session may still write: what counts is what is read, and that is capped too.
        return _read_whole(fd, path, max_bytes)
    finally:
        os.close(fd)


def _read_whole(fd: int, path: str, max_bytes: int) -> bytes:
    with open(fd, "rb", closefd=False) as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise _RefusedError(path, f"is larger than {max_bytes} bytes")
    return data
