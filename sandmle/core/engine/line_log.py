"""An append-only file of lines that a kill at any moment leaves whole."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sandmle.core.errors import StoreError


class LineLog:
    """The open file. One process writes it; readers may read along."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self._size = os.fstat(descriptor).st_size

    def append(self, line: bytes, *, durable: bool) -> None:
        """Add one line in one write; when `durable`, have it on the disk before returning.

        Raises:
            StoreError: it could not be written; nothing of it is left in the file.
        """
        data = line + b"\n"
        try:
            written = os.write(self._descriptor, data)
            if written != len(data):
                raise OSError(f"only {written} of {len(data)} bytes were written; is the disk full?")
            if durable:
                os.fsync(self._descriptor)
        except OSError as problem:
            # Half a line would swallow the next one.
            os.ftruncate(self._descriptor, self._size)
            raise StoreError(f"cannot write {self.path}: {problem.strerror or problem}") from problem
        self._size += len(data)

    def clear(self) -> None:
        """Take every line out again, durably.

        Raises:
            StoreError: it could not be done.
        """
        try:
            os.ftruncate(self._descriptor, 0)
            os.fsync(self._descriptor)
        except OSError as problem:
            raise StoreError(f"cannot write {self.path}: {problem.strerror or problem}") from problem
        self._size = 0


@contextmanager
def open_log(path: Path) -> Iterator[LineLog]:
    """Open for appending, made if it is not there; a last line that a kill left torn is cut off."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    try:
        os.ftruncate(descriptor, _whole_size(path))
        yield LineLog(path, descriptor)
    finally:
        os.close(descriptor)


def _whole_size(path: Path) -> int:
    size, last = 0, b""
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                size, last = size + len(line), line
    # A kill leaves a line without its end; a power failure can leave a whole one of zeros.
    return size if not last or _is_json(last) else size - len(last)


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True
