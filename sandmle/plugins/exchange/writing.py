"""Files and folders of others' formats on disk: whole or not at all, and never over what is there unasked."""

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sandmle.core.engine.outputs import check_output
from sandmle.core.errors import UsageError, cannot_write

MARKER: Final = ".sandmle-export"
"""Lies in every folder that an export made: only such a folder is ever replaced."""


def refuse_taken(out: Path, *, force: bool) -> None:
    """See that `out` may be written, before any work is done.

    Args:
        out: the file or folder to be.
        force: the user allows that what stands there is replaced.

    Raises:
        UsageError: it is there already, or it may not be replaced even so.
    """
    check_output(out)
    if not os.path.lexists(out):
        return
    if out.is_dir() and not out.is_symlink():
        if not any(out.iterdir()):
            return
        if force and not (out / MARKER).is_file():
            raise UsageError(f"{out} is no folder that an export made, so --force does not replace it; name another")
    if not force:
        raise UsageError(f"{out} exists already; name another, or replace it with --force")


def write_file(out: Path, parts: Iterable[bytes], *, force: bool) -> None:
    """Write one file, whole or not at all.

    Raises:
        UsageError: see `refuse_taken`, `out` is a folder, or it cannot be written there.
        StoreError: the machine failed.
    """
    refuse_taken(out, force=force)
    if out.is_dir():
        raise UsageError(f"{out} is a folder; name a file")
    part = out.with_name(f".{out.name}.part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("wb") as file:
                file.writelines(parts)
                file.flush()
                os.fsync(file.fileno())
            part.replace(out)
        finally:
            part.unlink(missing_ok=True)
    except OSError as problem:
        raise cannot_write(out, problem) from problem


@contextmanager
def new_folder(out: Path, *, force: bool) -> Iterator[Path]:
    """A folder to fill, which becomes `out` when the block ends well and vanishes when it does not.

    Raises:
        UsageError: see `refuse_taken`, `out` is a file, or it cannot be written there.
        StoreError: the machine failed.
    """
    refuse_taken(out, force=force)
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise UsageError(f"{out} is a file; name a folder")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
        try:
            yield temporary
            (temporary / MARKER).write_text("made by `sandmle export`; it replaces this folder when told --force\n")
            temporary.chmod(0o755)
            if out.is_dir():
                shutil.rmtree(out)
            temporary.rename(out)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as problem:
        raise cannot_write(out, problem) from problem
