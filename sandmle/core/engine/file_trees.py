"""Hashes a directory that someone else made: follows no link, opens regular files only, and reads with limits."""

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sandmle.core.errors import TaskError

MAX_FILE_BYTES: Final = 2 * 2**30
"""Of one file; a table of a million rows fits well."""
MAX_TREE_BYTES: Final = 8 * 2**30
MAX_TREE_FILES: Final = 100_000
MAX_DEPTH: Final = 16
NOT_REGULAR: Final = "is not a regular file"
_CHUNK: Final = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeEntry:
    """One file of a tree: its hash, or why it was not read."""

    name: str
    """Relative to the tree, with slashes."""
    sha256: str
    fault: str
    """Empty where it was read."""


def hash_tree(root: Path) -> Iterator[TreeEntry]:
    """Every file below a directory, in order of names; a folder is an entry, ending in a slash, if it is empty.

    Raises:
        TaskError: it is not a directory of its own, holds more than may be read, or cannot be read.
    """
    if root.is_symlink() or not root.is_dir():
        raise TaskError(f"{root} is not a directory")
    files = held = 0
    try:
        for name in _names(root, "", 0):
            files += 1
            if files > MAX_TREE_FILES:
                raise TaskError(f"{root} holds more than {MAX_TREE_FILES} files")
            entry, size = _hashed(root, name, MAX_TREE_BYTES - held)
            held += size
            yield entry
    except OSError as problem:
        raise TaskError(f"cannot read {problem.filename or root}: {problem.strerror}") from problem


def read_regular(path: Path, most: int) -> bytes:
    """Content of a regular file that is no link.

    Raises:
        TaskError: it is something else, larger than `most` bytes, or cannot be read.
        FileNotFoundError: it is not there.
    """
    try:
        with open(_open(path), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise TaskError(f"{path} {NOT_REGULAR}")
            content = file.read(most + 1)
    except FileNotFoundError:
        raise
    except OSError as problem:
        said = NOT_REGULAR if path.is_symlink() else f"cannot be read: {problem.strerror}"
        raise TaskError(f"{path} {said}") from problem
    if len(content) > most:
        raise TaskError(f"{path} has more than {most} bytes")
    return content


def _names(root: Path, below: str, depth: int) -> Iterator[str]:
    if depth > MAX_DEPTH:
        raise TaskError(f"{root} has folders more than {MAX_DEPTH} deep")
    with os.scandir(root / below) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    if below and not found:
        yield f"{below}/"
    for entry in found:
        name = f"{below}/{entry.name}" if below else entry.name
        if entry.is_dir(follow_symlinks=False):
            yield from _names(root, name, depth + 1)
        else:
            yield name


def _hashed(root: Path, name: str, most: int) -> tuple[TreeEntry, int]:
    path = root / name
    if name.endswith("/"):
        return TreeEntry(name=name, sha256="", fault=""), 0
    if not stat.S_ISREG(path.lstat().st_mode):
        return TreeEntry(name=name, sha256="", fault=NOT_REGULAR), 0
    digest, size = hashlib.sha256(), 0
    # It may have become something else since: no link is followed and no pipe waited for.
    with open(_open(path), "rb") as file:
        while chunk := file.read(_CHUNK):
            size += len(chunk)
            if size > min(most, MAX_FILE_BYTES):
                return TreeEntry(name=name, sha256="", fault=f"has more than {min(most, MAX_FILE_BYTES)} bytes"), size
            digest.update(chunk)
    return TreeEntry(name=name, sha256=digest.hexdigest(), fault=""), size


def _open(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
