"""Folders of public files for sandboxes to look at: gone with their block, or at the next start after a kill.

They are kept in memory where there is room: some disks take longer to make and remove thousands of small files, again
and again, than a sandbox takes to read them. Whoever chose another folder for temporary files, by TMPDIR, gets that.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

PREFIX: Final = "sandmle-public-"
_LOCK: Final = ".lock"
_USUAL: Final = "/tmp"
_MEMORY: Final = "/dev/shm"
_PAGE_BYTES: Final = 4096
_MOST_IN_MEMORY: Final = 64 * 2**20
_ROOM: Final = 4
"""Times what a folder takes that has to be free, in bytes and in files: others need memory, too."""


@contextmanager
def public_folder(files: Mapping[str, bytes]) -> Iterator[Path]:
    """Write the files under `public/` into a folder of their own, all of one time: a file's age must say nothing.

    Args:
        files: path to content; only those under `public/` are written.
    """
    shown = {path.removeprefix("public/"): content for path, content in files.items() if path.startswith("public/")}
    memory = _memory_for(shown.values())
    with ExitStack() as stack:
        try:
            public = stack.enter_context(_written(shown, memory))
        except OSError:
            if memory is None:
                raise
            # Others took the room that there was, which only writing tells.
            public = stack.enter_context(_written(shown, None))
        yield public


@contextmanager
def _written(shown: Mapping[str, bytes], place: str | None) -> Iterator[Path]:
    root = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
    try:
        # The kernel lets go of the lock when its holder dies, however it dies; no number of a process is trusted,
        # since another container may share this folder and number its processes anew.
        with (root / _LOCK).open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            public = root / "public"
            public.mkdir()
            for path, content in shown.items():
                target = public / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
                os.utime(target, (0, 0))
            yield public
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _memory_for(contents: Collection[bytes]) -> str | None:
    """The folder whose files are in memory, if these are to go there."""
    needed = sum(-(-len(content) // _PAGE_BYTES) * _PAGE_BYTES for content in contents)
    if _MEMORY not in _places() or needed > _MOST_IN_MEMORY or not os.access(_MEMORY, os.W_OK | os.X_OK):
        return None
    free = os.statvfs(_MEMORY)
    # A limit of none is told as a total of none.
    has_names = not free.f_files or free.f_favail >= _ROOM * len(contents)
    return _MEMORY if has_names and free.f_bavail * free.f_frsize >= _ROOM * needed else None


def _places() -> list[str]:
    """Where folders may be made, and are looked for."""
    chosen = tempfile.gettempdir()
    return [chosen, _MEMORY] if chosen == _USUAL and os.path.ismount(_MEMORY) else [chosen]


def sweep() -> int:
    """Remove the folders that killed processes of this user left behind; their number.

    A folder whose lock is not there yet belongs to someone who is just making it, and stays.
    """
    removed = 0
    for root in (found for place in _places() for found in Path(place).glob(f"{PREFIX}*")):
        try:
            if root.is_symlink() or not root.is_dir() or root.stat().st_uid != os.getuid():
                continue
            descriptor = os.open(root / _LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            shutil.rmtree(root, ignore_errors=True)
            removed += 1
        finally:
            os.close(descriptor)
    return removed
