"""The machinery of a sandbox as processes and containers: some are killed, none may be left."""

import contextlib
import os
import random
import signal
import tempfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from sandmle.plugins.sandboxes.isolation import tree

_KINDS: Final = {
    "process": {"sandboxes.process.zygote": ("guardian", "zygote", "session")},
    "jupyter": {
        "sandboxes.jupyter.launch": ("guardian", "kernel"),
        "sandboxes.jupyter.zygote": ("zygote", "guardian", "kernel"),
    },
}
"""What is in the command line of the processes that a backend execs, and what they and those below them are."""
_LABEL: Final = "sandmle.owner.pid"


class Victims:
    """What the sandbox `backend` of this process consists of now."""

    def __init__(self, backend: str, rng: random.Random, engine: str | None) -> None:
        self._backend = backend
        self._rng = rng
        self._engine = engine
        self._others = set(tree.descendants(os.getpid())[1:])
        """What ran before, such as an engine of a test; with what it starts it is no concern of ours."""
        self._there = set(_directories())

    def kill_one(self) -> str:
        """Kill one of a kind chosen at random; which kind, or nothing when there was none to kill."""
        by_kind = self._containers() if self._backend == "docker" else self._processes()
        if not by_kind:
            return ""
        kind = self._rng.choice(sorted(by_kind))
        with contextlib.suppress(ProcessLookupError):
            self._rng.choice(by_kind[kind])()
        return kind

    def left_over(self, marker: str) -> list[str]:
        """Processes, containers and directories that should be gone, one line each."""
        found = [f"process {pid} of an episode" for pid in _processes_with(marker)]
        children = tree.children_of_all()
        ours = {pid: [one for one in below if one not in self._others] for pid, below in children.items()}
        found += [f"process {pid}: {_line(pid)}" for pid in tree.descendants(os.getpid(), ours)[1:]]
        found += [f"directory {path}" for path in _directories() if path not in self._there]
        if self._backend == "docker":
            found += [f"container {name}" for name in self._names()]
        return found

    def _processes(self) -> dict[str, list[Callable[[], object]]]:
        found: dict[str, list[Callable[[], object]]] = defaultdict(list)
        children = tree.children_of_all()
        for boot, kinds in _KINDS[self._backend].items():
            below = [pid for pid in children.get(os.getpid(), []) if boot in _line(pid)]
            for kind in kinds:
                for pid in below:
                    found[kind].append(lambda pid=pid: os.kill(pid, signal.SIGKILL))
                below = [child for pid in below for child in children.get(pid, [])]
        return dict(found)

    def _containers(self) -> dict[str, list[Callable[[], object]]]:
        found: dict[str, list[Callable[[], object]]] = defaultdict(list)
        children = tree.children_of_all()
        with self._client() as client:
            for one in self._running(client):
                first = int(client.api.inspect_container(one["Id"])["State"]["Pid"])
                found["container"].append(lambda name=one["Id"]: self._kill_container(name))
                for pid in children.get(first, []) if first else ():
                    found["zygote in a container"].append(lambda pid=pid: os.kill(pid, signal.SIGKILL))
        return dict(found)

    def _kill_container(self, name: str) -> None:
        from docker.errors import APIError

        with self._client() as client, contextlib.suppress(APIError):
            # It may have ended meanwhile.
            client.api.kill(name)

    def _names(self) -> list[str]:
        with self._client() as client:
            return [one["Names"][0] for one in self._running(client)]

    def _running(self, client: Any) -> list[Any]:
        return list(client.api.containers(all=True, filters={"label": f"{_LABEL}={os.getpid()}"}))

    @contextlib.contextmanager
    def _client(self) -> Any:
        import docker

        with contextlib.closing(docker.DockerClient(base_url=self._engine, version="auto")) as client:
            yield client


def _directories() -> list[Path]:
    return list(Path(tempfile.gettempdir()).glob("sandmle-*"))


def _processes_with(marker: str) -> list[int]:
    return [int(place.name) for place in Path("/proc").glob("[0-9]*") if marker in _line(int(place.name))]


def _line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    except OSError:
        return ""
