"""When a container or its engine fails, that is said, the next session works, and nothing is left behind."""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker
import pytest

from sandmle.core.errors import SandboxError
from sandmle.core.types.sandbox import FetchedFiles, SandboxLimits
from sandmle.plugins.sandboxes.config import DockerConfig
from sandmle.plugins.sandboxes.docker import owner
from sandmle.plugins.sandboxes.docker.backend import DockerSandbox
from sandmle.plugins.sandboxes.docker.engine import Engine

pytestmark = pytest.mark.docker

LIMITS = SandboxLimits()
HOST = """
import asyncio, sys
from sandmle.core.types.sandbox import SandboxLimits
from sandmle.plugins.sandboxes.config import DockerConfig
from sandmle.plugins.sandboxes.docker.backend import DockerSandbox
async def main():
    sandbox = DockerSandbox(DockerConfig(engine=sys.argv[1], image=sys.argv[2], preload=()))
    await sandbox.start()
    async with sandbox.session(public_dir=None, limits=SandboxLimits()) as session:
        print("ready", flush=True)
        await session.run("while True: pass", 300)
asyncio.run(main())
"""


@contextmanager
def asking(address: str) -> Iterator[Any]:
    client = docker.DockerClient(base_url=address, version="auto")
    try:
        yield client
    finally:
        client.close()


def containers(address: str) -> dict[str, str]:
    """Name to id of every container with our mark, in whatever state."""
    with asking(address) as client:
        found = client.api.containers(all=True, filters={"label": f"{owner.MARK}={owner.BACKEND}"})
    return {one["Names"][0].removeprefix("/"): one["Id"] for one in found}


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory for temporary files, empty, of this test alone."""
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    return place


async def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_so() and time.monotonic() < deadline:
        await asyncio.sleep(0.1)
    assert is_so()


async def test_a_container_killed_in_a_cell_is_an_error_and_the_next_session_has_another(
    configure: Callable[..., DockerConfig], engine: str, temporary: Path
) -> None:
    sandbox = DockerSandbox(configure())
    try:
        await sandbox.start()
        [(name, first)] = containers(engine).items()
        assert name == f"sandmle-{os.getpid()}-0"
        async with sandbox.session(public_dir=None, limits=LIMITS) as session:
            await session.run("open('kept', 'w').write('x')", 60)
            cell = asyncio.create_task(session.run("import time; time.sleep(100)", 120))
            await asyncio.sleep(0.5)
            with asking(engine) as client:
                client.api.kill(first)
            with pytest.raises(SandboxError, match="zygote was lost"):
                await cell
            got = await session.fetch("kept", 10)
            assert isinstance(got, FetchedFiles)
            assert dict(got.files) == {"kept": b"x"}
        async with sandbox.session(public_dir=None, limits=LIMITS) as session:
            assert (await session.run("6 * 7", 60)).stdout == "42\n"
        [(name, second)] = containers(engine).items()
        assert second != first
        with asking(engine) as client:
            client.api.kill(second)
        with pytest.raises(SandboxError, match="started again"):
            await sandbox.check_health()
        await sandbox.check_health()
    finally:
        await sandbox.close()
        await sandbox.close()
    assert containers(engine) == {}
    assert list(temporary.iterdir()) == []
    with pytest.raises(SandboxError, match="not running"):
        async with sandbox.session(public_dir=None, limits=LIMITS):
            pass


async def test_a_stopped_engine_is_named_and_nothing_is_left(
    private_engine: Any, build_image: Callable[[str], None], configure: Callable[..., DockerConfig], temporary: Path
) -> None:
    build_image(private_engine.address)
    sandbox = DockerSandbox(configure(engine=private_engine.address))
    try:
        await sandbox.start()
        zygote = sandbox._places[0].zygote
        assert zygote is not None
        private_engine.stop()
        with pytest.raises(SandboxError, match=r"no Docker engine answers at unix://.*systemctl start docker"):
            async with sandbox.session(public_dir=None, limits=LIMITS):
                pass
        with pytest.raises(SandboxError, match="no Docker engine answers"):
            await sandbox.check_health()
    finally:
        await sandbox.close()
    assert list(temporary.iterdir()) == []
    assert not Path(f"/proc/{zygote.pid}").exists()


async def test_nothing_survives_a_killed_host(configure: Callable[..., DockerConfig], tmp_path: Path) -> None:
    config = configure()
    assert config.engine is not None
    words = [sys.executable, "-c", HOST, config.engine, config.image]
    with subprocess.Popen(words, stdout=subprocess.PIPE, env={**os.environ, "TMPDIR": str(tmp_path)}) as host:
        assert host.stdout is not None
        assert host.stdout.readline() == b"ready\n"
        assert list(containers(config.engine)) == [f"sandmle-{host.pid}-0"]
        assert list(tmp_path.iterdir())
        host.kill()
    engine = config.engine
    await wait_until(lambda: not containers(engine) and not list(tmp_path.iterdir()))


async def test_a_start_removes_what_dead_hosts_left_and_nothing_else(
    configure: Callable[..., DockerConfig], engine: str
) -> None:
    config = configure()
    dead = subprocess.Popen(["true"])
    gone = {**owner.own_labels(), "sandmle.owner.pid": str(dead.pid)}
    dead.wait()
    with asking(engine) as client:
        made = {
            name: client.containers.create(config.image, ["sleep", "1000"], labels=labels, network_mode="none")
            for name, labels in {
                "left behind": gone,
                "of a number used again": {**owner.own_labels(), "sandmle.owner.started": "1"},
                "of an earlier boot": {**owner.own_labels(), "sandmle.owner.boot": "x"},
                "ours": owner.own_labels(),
                "of another user": {**gone, "sandmle.owner.uid": "1234567"},
                "in another pid namespace": {**gone, "sandmle.owner.pid-namespace": "1"},
                "of somebody else": {"sandmle.owner.pid": str(dead.pid)},
            }.items()
        }
        try:
            made["left behind"].start()
            reached = Engine(engine)
            removed = reached.reap()
            assert len(removed) == 3
            assert reached.reap() == []
            reached.close()
            left = {one.id for one in client.containers.list(all=True)}
            assert {name for name, one in made.items() if one.id in left} == {
                "ours", "of another user", "in another pid namespace", "of somebody else",
            }  # fmt: skip
        finally:
            for one in client.containers.list(all=True):
                one.remove(force=True)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"image": "nobody/has-this"}, r"no image 'nobody/has-this'.*scripts/build_sandbox_image\.py"),
        ({"python": "python9"}, r"python9.*not found"),
        ({"python": "true"}, "ended before its zygote was there"),
        ({"engine": "unix:///nowhere/docker.sock"}, r"no Docker engine answers at unix:///nowhere.*install"),
    ],
)
async def test_what_is_missing_is_named_with_the_remedy(
    configure: Callable[..., DockerConfig], engine: str, temporary: Path, changes: dict[str, str], complaint: str
) -> None:
    sandbox = DockerSandbox(configure(**changes))
    with pytest.raises(SandboxError, match=complaint):
        await sandbox.start()
    assert containers(engine) == {}
    assert list(temporary.iterdir()) == []


def test_an_engine_elsewhere_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://192.0.2.1:2375")
    with pytest.raises(SandboxError, match=r"tcp://192\.0\.2\.1:2375 is not on this machine"):
        Engine(None)


def test_a_user_who_may_not_use_the_engine_is_told_how_to(engine: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can try as somebody else")
    Path(engine.removeprefix("unix://")).parent.chmod(0o755)
    os.seteuid(65_534)
    try:
        with pytest.raises(SandboxError, match="may not be used by this user: add the user to the group"):
            Engine(engine)
    finally:
        os.seteuid(0)
