"""Everything that is asked of the Docker engine. Calls block: they belong in threads."""

import os
import socket
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

import docker
from docker.errors import APIError, ImageNotFound, NotFound
from docker.types import DeviceRequest, LogConfig, Mount

from sandmle.core.errors import SandboxError, boundary
from sandmle.plugins.sandboxes.docker import layout, owner
from sandmle.plugins.sandboxes.isolation.gpus import Gpus

_CALL_TIMEOUT_S: Final = 60
_GONE_TIMEOUT_S: Final = 30.0
_RETRY_S: Final = 0.02
_NAMES_AT_MOST: Final = 1000
_CONFLICT: Final = 409
_MIB: Final = 1024 * 1024
_NO_GPUS: Final = "; it needs NVIDIA's driver and the NVIDIA Container Toolkit (`nvidia-ctk runtime configure`)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One container to start."""

    image: str
    command: tuple[str, ...]
    uid: int
    """User and group of everything inside."""
    mounts: Mapping[str, str]
    """Path inside to directory of this machine, all read-only."""
    log: str
    """A file of this machine that its first process may write to, as `layout.LOG`."""
    environment: Mapping[str, str] = field(repr=False)
    memory_mb: int
    processes: int
    gpus: Gpus = ()


@dataclass(frozen=True, slots=True)
class Running:
    """A container that was started."""

    id: str
    pid: int
    """Its first process, as this machine sees it."""


class Engine:
    """A Docker engine on this machine."""

    def __init__(self, address: str | None) -> None:
        """Reach the engine at `address`, or at `DOCKER_HOST`, or at a usual socket.

        Raises:
            SandboxError: there is none, it is elsewhere, or it may not be used; the message has the remedy.
        """
        self.address = address or os.environ.get("DOCKER_HOST") or _usual_address()
        self.reach()
        with boundary(SandboxError, f"the Docker engine at {self.address}"):
            # An old engine is spoken to in the version it knows.
            self._client: Any = docker.DockerClient(base_url=self.address, version="auto", timeout=_CALL_TIMEOUT_S)

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()

    def reach(self) -> None:
        """See that the engine listens.

        Raises:
            SandboxError: it does not, or not to us.
        """
        if not self.address.startswith("unix://"):
            raise SandboxError(
                f"the Docker engine at {self.address} is not on this machine, and sessions are driven over a socket "
                "file: name a local engine by engine = 'unix:///path/to/docker.sock' or in DOCKER_HOST"
            )
        path = self.address.removeprefix("unix://")
        with socket.socket(socket.AF_UNIX) as caller:
            try:
                caller.connect(path)
            except PermissionError as problem:
                raise SandboxError(
                    f"the Docker engine at {self.address} may not be used by this user: "
                    f"add the user to the group of {path} (often `usermod -aG docker USER`) and log in again"
                ) from problem
            except OSError as problem:
                raise SandboxError(
                    f"no Docker engine answers at {self.address} ({problem.strerror or problem}): "
                    "install and start one (`apt-get install docker.io`, `systemctl start docker`), "
                    "or name another socket in [plugin.sandbox.docker] engine or DOCKER_HOST"
                ) from problem

    def memory_mb(self) -> int:
        """The machine's memory, MiB.

        Raises:
            SandboxError: the engine does not answer.
        """
        with self._asking("tell its memory"):
            return int(self._client.info()["MemTotal"]) // _MIB

    def image_id(self, name: str) -> str:
        """The content address of the image `name`.

        Raises:
            SandboxError: the engine has no such image.
        """
        with self._asking(f"look for the image {name}"):
            try:
                return str(self._client.images.get(name).id)
            except ImageNotFound as problem:
                raise SandboxError(
                    f"the Docker engine has no image {name!r}, and none is ever pulled: build the default one with "
                    "`python scripts/build_sandbox_image.py`, or name one you have that holds Python 3.11 or newer "
                    "in [plugin.sandbox.docker] image"
                ) from problem

    def reap(self) -> list[str]:
        """Remove the containers of hosts that are gone; their names.

        Raises:
            SandboxError: the engine does not answer.
        """
        removed: list[str] = []
        with self._asking("list containers"):
            mark = f"{owner.MARK}={owner.BACKEND}"
            for one in self._client.api.containers(all=True, filters={"label": mark}):
                if owner.is_left_behind(one["Labels"]):
                    self.remove(one["Id"])
                    removed.append(one["Names"][0].removeprefix("/"))
        return removed

    def run(self, order: Order) -> Running:
        """Start a container as hardened as a zygote can bear, under the first free name of this process.

        Raises:
            SandboxError: the engine refuses or does not answer.
        """
        self.reach()
        with self._asking("start a container"):
            with ExitStack() as stack:
                container = self._create(order)
                stack.callback(self.remove, container.id)
                container.start()
                container.reload()
                stack.pop_all()
            return Running(container.id, int(container.attrs["State"]["Pid"]))

    def remove(self, container: str) -> None:
        """Kill and remove a container, and wait until it is gone; one that is gone already is no error.

        Raises:
            SandboxError: the engine does not answer, or the container does not go away.
        """
        self.reach()
        deadline = time.monotonic() + _GONE_TIMEOUT_S
        with self._asking("remove a container"):
            while time.monotonic() < deadline:
                try:
                    self._client.api.remove_container(container, force=True, v=True)
                except NotFound:
                    return
                except APIError as problem:
                    # It is being removed because it ended.
                    if problem.response is None or problem.response.status_code != _CONFLICT:
                        raise
                time.sleep(_RETRY_S)
            raise SandboxError(f"the container {container[:12]} was not removed within {_GONE_TIMEOUT_S:g} s")

    def _create(self, order: Order) -> Any:
        for number in range(_NAMES_AT_MOST):
            try:
                return self._client.containers.create(
                    name=f"sandmle-{os.getpid()}-{number}", labels=owner.own_labels(), **_options(order)
                )
            except APIError as problem:
                if problem.response is None or problem.response.status_code != _CONFLICT:
                    raise
        raise SandboxError(f"{_NAMES_AT_MOST} containers of this process are there already")

    @contextmanager
    def _asking(self, what: str) -> Iterator[None]:
        doing = f"the Docker engine at {self.address} could not {what}"
        with boundary(SandboxError, doing):
            try:
                yield
            except APIError as problem:
                said = str(problem.explanation or problem)
                remedy = _NO_GPUS if "device driver" in said and "gpu" in said else ""
                raise SandboxError(f"{doing}: {said}{remedy}") from problem


def _options(order: Order) -> dict[str, Any]:
    """What the engine is told about a container, all but its name."""
    program, *words = order.command
    mounts = [Mount(inside, path, type="bind", read_only=True) for inside, path in order.mounts.items()]
    mounts.append(Mount(layout.LOG, order.log, type="bind"))
    bytes_of_memory = order.memory_mb * _MIB
    scratch = f"rw,nosuid,nodev,exec,size={order.memory_mb // 2}m,mode=711,uid={order.uid},gid={order.uid}"
    return {
        "image": order.image,
        "entrypoint": [program],
        "command": words,
        "user": f"{order.uid}:{order.uid}",
        "working_dir": layout.CODE,
        "hostname": "sandbox",
        "environment": dict(order.environment),
        "network_mode": "none",
        "ipc_mode": "private",
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "mem_limit": bytes_of_memory,
        # Swap included: none.
        "memswap_limit": bytes_of_memory,
        "pids_limit": order.processes,
        "tmpfs": {layout.SCRATCH: scratch},
        "mounts": mounts,
        "device_requests": _device_requests(order.gpus),
        # Its first process ends by itself when its host does, and then nothing of it stays.
        "auto_remove": True,
        "stop_signal": "SIGKILL",
        "log_config": LogConfig(type="none"),
        # A proxy's address may hold a password.
        "use_config_proxy": False,
    }


def _device_requests(gpus: Gpus) -> list[DeviceRequest]:
    which = {"count": -1} if gpus == "all" else {"device_ids": [str(number) for number in gpus]}
    return [DeviceRequest(capabilities=[["gpu"]], **which)] if gpus else []


def _usual_address() -> str:
    places = ["/var/run/docker.sock", f"{os.environ.get('XDG_RUNTIME_DIR', '')}/docker.sock"]
    for path in places:
        with suppress(OSError):
            if stat.S_ISSOCK(os.stat(path).st_mode):
                return f"unix://{path}"
    return f"unix://{places[0]}"
