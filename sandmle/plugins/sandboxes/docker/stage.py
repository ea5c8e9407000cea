"""Public files where containers see them: copied once, read-only inside, under names nobody can guess."""

import asyncio
import os
import secrets
import shutil
import stat
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sandmle.core.errors import SandboxError
from sandmle.plugins.sandboxes.docker import layout

_NAME_BYTES: Final = 16
_KEPT_AT_MOST: Final = 1 << 30
_ENTRIES_AT_MOST: Final = 20_000
"""Files and directories of one copy; making more of them takes longer than starting a container."""


@dataclass(frozen=True, slots=True)
class Inventory:
    """What a directory held when it was looked at."""

    entries: tuple[tuple[str, int, int, int], ...]
    """Path, size, time of the last change in nanoseconds and inode of each file."""
    size: int
    """Bytes in all files."""


@dataclass(slots=True)
class _Copy:
    """One copy; the lock is held while it is made."""

    name: str
    size: int
    users: int = 0
    is_made: bool = False
    making: asyncio.Lock = field(default_factory=asyncio.Lock)


class Stage:
    """Copies of public directories below one directory that every container has mounted.

    The task's own directory cannot be mounted into a container that runs already, and mounting what
    holds all tasks would show the labels beside them.
    """

    def __init__(self, directory: Path, keep_bytes: int = _KEPT_AT_MOST) -> None:
        self._directory = directory
        self._keep_bytes = keep_bytes
        self._copies: OrderedDict[tuple[str, Inventory], _Copy] = OrderedDict()

    @asynccontextmanager
    async def lend(self, public: Path, inventory: Inventory) -> AsyncIterator[Path]:
        """The path inside of a copy of `public`, which is there for as long as the block.

        Raises:
            SandboxError: it cannot be copied.
        """
        key = (str(public), inventory)
        copy = self._copies.setdefault(key, _Copy(secrets.token_hex(_NAME_BYTES), inventory.size))
        self._copies.move_to_end(key)
        copy.users += 1
        try:
            async with copy.making:
                if not copy.is_made:
                    await asyncio.to_thread(_copy_tree, public, self._directory / copy.name)
                    copy.is_made = True
            yield Path(layout.PUBLIC, copy.name)
        finally:
            copy.users -= 1
            self._forget()

    def _forget(self) -> None:
        """Remove the copies unused for longest while there are too many bytes, and those that failed."""
        kept = sum(one.size for one in self._copies.values())
        for key, one in list(self._copies.items()):
            if one.users == 0 and (kept > self._keep_bytes or not one.is_made):
                del self._copies[key]
                kept -= one.size
                shutil.rmtree(self._directory / one.name, ignore_errors=True)


def take_stock(public: Path, most_bytes: int) -> Inventory | None:
    """Look at every file below `public`, so that a changed directory is copied anew.

    Returns:
        What is there; `None`, without having looked at the rest, once it is too much to be copied: more than
        `most_bytes` in all, or too many files.

    Raises:
        SandboxError: it cannot be read.
    """
    entries: list[tuple[str, int, int, int]] = []
    total = 0
    try:
        for folder, folders, files in os.walk(public, onerror=_raise):
            folders.sort()
            for name in (*folders, *sorted(files)):
                path = os.path.join(folder, name)
                status = os.lstat(path)
                size = status.st_size if stat.S_ISREG(status.st_mode) else 0
                entries.append((os.path.relpath(path, public), size, status.st_mtime_ns, status.st_ino))
                total += size
                if total > most_bytes or len(entries) > _ENTRIES_AT_MOST:
                    return None
    except OSError as problem:
        raise SandboxError(f"the public directory {public} cannot be read: {problem}") from problem
    return Inventory(tuple(entries), total)


def _copy_tree(source: Path, target: Path) -> None:
    """Copy directories, regular files and links as such, readable for everybody who gets that far."""
    try:
        for folder, folders, files in os.walk(source, onerror=_raise):
            place = target / os.path.relpath(folder, source)
            place.mkdir()
            place.chmod(0o755)
            for name in (*folders, *files):
                path = Path(folder, name)
                if path.is_symlink():
                    (place / name).symlink_to(os.readlink(path))
                elif path.is_file():
                    shutil.copyfile(path, place / name)
                    (place / name).chmod(0o644)
    except OSError as problem:
        shutil.rmtree(target, ignore_errors=True)
        raise SandboxError(f"the public files of {source} could not be copied for a container: {problem}") from problem


def _raise(problem: OSError) -> None:
    raise problem
