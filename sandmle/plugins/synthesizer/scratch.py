"""Folders of public files for sandboxes to look at: gone with their block, or at the next start after a kill."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

PREFIX: Final = "sandmle-public-"
_LOCK: Final = ".lock"


@contextmanager
def public_folder(files: Mapping[str, bytes]) -> Iterator[Path]:
    """Write the files under `public/` into a folder of their own, all of one time: a file's age must say nothing.

    Args:
        files: path to content; only those under `public/` are written.
    """
    root = Path(tempfile.mkdtemp(prefix=PREFIX))
    try:
        # The kernel lets go of the lock when its holder dies, however it dies; no number of a process is trusted,
        # since another container may share this folder and number its processes anew.
        with (root / _LOCK).open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            public = root / "public"
            public.mkdir()
            for path, content in files.items():
                if path.startswith("public/"):
                    target = public / path.removeprefix("public/")
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(content)
                    os.utime(target, (0, 0))
            yield public
    finally:
        shutil.rmtree(root, ignore_errors=True)


def sweep() -> int:
    """Remove the folders that killed processes of this user left behind; their number.

    A folder whose lock is not there yet belongs to someone who is just making it, and stays.
    """
    removed = 0
    for root in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
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
