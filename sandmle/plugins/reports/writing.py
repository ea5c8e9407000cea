"""Puts the finished page where it was asked for, whole or not at all."""

import os
import tempfile
from contextlib import ExitStack
from pathlib import Path

from sandmle.core.engine.outputs import check_output
from sandmle.core.errors import UsageError, cannot_write

_MODE = 0o644
"""A report is made to be shown; a temporary file would be its owner's only."""


def write_page(path: Path, content: bytes) -> None:
    """Write beside the target and rename over it, so that a reader never sees half a page.

    Raises:
        UsageError: the file cannot be written there.
        StoreError: the machine failed.
    """
    if path.is_dir():
        raise UsageError(f"{path} is a directory; -o takes the name of the HTML file to write")
    check_output(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}-", delete=False) as file:
            part = Path(file.name)
            with ExitStack() as undo:
                undo.callback(part.unlink, missing_ok=True)
                file.write(content)
                file.flush()
                part.chmod(_MODE)
                os.replace(part, path)
                undo.pop_all()
    except OSError as problem:
        raise cannot_write(path, problem) from problem
