"""A directory of this process that goes away with it, however suddenly it ends."""

import shutil
import subprocess
import tempfile
from pathlib import Path


class Folder:
    """A temporary directory, and a small process that removes it should nobody else."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="sandmle-docker-"))
        # Its input ends when we do.
        self._sweeper = subprocess.Popen(
            ["/bin/sh", "-c", 'read line; rm -rf -- "$1"', "sh", str(self.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={"PATH": "/usr/bin:/bin"},
            start_new_session=True,
        )

    def close(self) -> None:
        """Remove the directory."""
        shutil.rmtree(self.path, ignore_errors=True)
        # Closes its input, after which it has nothing left to do.
        self._sweeper.communicate()
