"""`docker exec` for each step, as most agents run code: one container a session, and no state between steps."""

import asyncio
import shlex
import sys
from typing import Any

import docker
from docker.types import Mount

from sandbox_parts.cells import CELLS, scripts
from sandbox_parts.figures import END, LOGREG, SESSION, START, TRIVIAL, Record


class DockerExec:
    """A hardened container for each session, and an interpreter in it for each step."""

    name = "docker exec per step"
    is_slow = True

    def __init__(self, image: str, python: str) -> None:
        self._image = image
        self._python = python

    async def start(self) -> None:
        self._client = await asyncio.to_thread(docker.from_env)
        libraries = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
        self._mounts = [Mount(path, path, "bind", read_only=True) for path in libraries]
        self._environment = {
            "PYTHONPATH": ":".join(libraries),
            "PYTHONDONTWRITEBYTECODE": "1",
            "HOME": "/tmp",
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }

    async def session(self, record: Record) -> None:
        await asyncio.to_thread(self._session, record)

    def _session(self, record: Record) -> None:
        with record.timed(self.name, SESSION):
            with record.timed(self.name, START):
                container = self._run()
                self._step(container, scripts(CELLS)[0])
            try:
                for number, script in enumerate(scripts(CELLS)[1:], 1):
                    with record.timed(self.name, LOGREG if number == 2 else "other steps"):
                        self._step(container, script)
                with record.timed(self.name, TRIVIAL):
                    self._step(container, scripts(CELLS)[0])
            finally:
                with record.timed(self.name, END):
                    container.remove(force=True)

    def _run(self) -> Any:
        return self._client.containers.run(
            self._image,
            ["sleep", "600"],
            entrypoint=[],
            detach=True,
            network_mode="none",
            read_only=True,
            user="65534:65534",
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            mem_limit="2g",
            pids_limit=64,
            tmpfs={"/tmp": "size=128m,mode=1777,uid=65534,gid=65534"},
            working_dir="/tmp",
            mounts=self._mounts,
            environment=self._environment,
        )

    def _step(self, container: Any, script: str) -> None:
        words = ["/bin/sh", "-c", f"exec {shlex.quote(self._python)} -c {shlex.quote(script)}"]
        code, output = container.exec_run(words)
        if code != 0:
            raise RuntimeError(f"{self.name}: {output.decode('utf-8', 'replace')}")

    async def close(self) -> None:
        await asyncio.to_thread(self._client.close)
