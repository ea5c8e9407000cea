"""What a session in a container sees, beyond what every sandbox promises."""

from collections.abc import Callable
from pathlib import Path

import docker
import pytest

from sandmle.core.conformance.sandbox import a_deadline_ends_the_session, a_running_cell_can_be_watched
from sandmle.core.conformance.sandbox_walls import others_cannot_be_signalled
from sandmle.core.errors import SandboxError
from sandmle.core.types.sandbox import CellStatus, IsolationLevel, SandboxLimits
from sandmle.plugins.sandboxes.config import DockerConfig
from sandmle.plugins.sandboxes.docker import stage
from sandmle.plugins.sandboxes.docker.backend import DockerSandbox
from sandmle.plugins.sandboxes.docker.engine import _device_requests

pytestmark = [pytest.mark.docker, pytest.mark.asyncio(loop_scope="module")]

LIMITS = SandboxLimits()


def make_task(directory: Path, name: str) -> Path:
    """A task directory with labels beside its public files; the latter."""
    public, private = directory / name / "public", directory / name / "private"
    public.mkdir(parents=True)
    private.mkdir()
    (public / "train.csv").write_text(f"id,y\n{name},2\n")
    (private / "answers.csv").write_text("the answers")
    return public


async def said(sandbox: DockerSandbox, public: Path | None, code: str) -> str:
    async with sandbox.session(public_dir=public, limits=LIMITS) as session:
        result = await session.run(code, 60)
        assert result.status is CellStatus.OK, result.stderr
        return result.stdout.strip()


async def test_the_container_is_hardened(sandbox: DockerSandbox, engine: str) -> None:
    client = docker.DockerClient(base_url=engine, version="auto")
    try:
        [container] = client.containers.list()
        told, user = container.attrs["HostConfig"], container.attrs["Config"]["User"]
    finally:
        client.close()
    assert (told["NetworkMode"], told["ReadonlyRootfs"], told["CapDrop"]) == ("none", True, ["ALL"])
    assert told["SecurityOpt"] == ["no-new-privileges:true"]
    assert not told["Privileged"]
    assert not told["PortBindings"]
    assert int(user.split(":")[0]) >= 10_000
    assert told["Memory"] == told["MemorySwap"] > 0
    assert told["PidsLimit"] == 4096
    assert {one["Target"] for one in told["Mounts"] if not one.get("ReadOnly")} == {"/sandmle/log"}


async def test_a_session_reaches_no_more_than_its_own_files(sandbox: DockerSandbox, tmp_path: Path) -> None:
    one, two = make_task(tmp_path, "one"), make_task(tmp_path, "two")
    async with sandbox.session(public_dir=two, limits=LIMITS) as other:
        place = (await other.run("import os; print(os.path.realpath('data'))", 60)).stdout.strip()
        tries = [place, f"{place}/train.csv", "data/../../private/answers.csv", f"{tmp_path}/one/private/answers.csv"]
        tries += [f"/sandmle/{name}" for name in ("public", "code", "run", "log", "scratch")]
        code = f"""
import os
for path in {tries!r}:
    for look in (os.listdir, lambda path: open(path).read(), lambda path: open(path, "a")):
        try:
            print(path, look(path))
        except OSError:
            pass
for path in ("/new", "/sandmle/new", "/usr/new", "/dev/shm/new"):
    try:
        open(path, "w")
        print("wrote", path)
    except OSError:
        pass
print(open("data/train.csv").read().split()[1])
"""
        assert await said(sandbox, one, code) == "one,2"


async def test_changed_public_files_are_seen_anew(sandbox: DockerSandbox, tmp_path: Path) -> None:
    public = make_task(tmp_path, "one")
    code = "import os; print(sorted(os.listdir('data')), open('data/train.csv').read().split()[1])"
    assert await said(sandbox, public, code) == "['train.csv'] one,2"
    (public / "train.csv").write_text("id,y\n7,2\n")
    (public / "sub").mkdir()
    (public / "sub" / "more.txt").write_text("more")
    (public / "link").symlink_to("../private/answers.csv")
    assert await said(sandbox, public, code) == "['link', 'sub', 'train.csv'] 7,2"
    assert await said(sandbox, public, "print(open('data/sub/more.txt').read())") == "more"
    async with sandbox.session(public_dir=public, limits=LIMITS) as session:
        assert "FileNotFoundError" in (await session.run("open('data/link')", 60)).stderr


async def test_the_hosts_libraries_are_lent_to_an_image_without_them(sandbox: DockerSandbox) -> None:
    code = "import numpy; print(numpy.__file__.startswith('/sandmle/libraries/'), numpy.arange(4).sum())"
    assert await said(sandbox, None, code) == "True 6"


async def test_large_public_files_are_mounted_in_a_container_of_their_own(
    configure: Callable[..., DockerConfig], tmp_path: Path
) -> None:
    public = make_task(tmp_path, "large")
    for place in (tmp_path, public):
        place.chmod(0o755)
    sandbox = DockerSandbox(configure(copy_mb=0, lend_libraries=False))
    try:
        await sandbox.start()
        code = "import os; print(os.path.realpath('data'), open('data/train.csv').read().split()[1])"
        assert await said(sandbox, public, code) == "/sandmle/large large,2"
        # The same file, not a copy of it.
        number = (public / "train.csv").stat().st_ino
        assert await said(sandbox, public, "import os; print(os.stat('data/train.csv').st_ino)") == str(number)
        assert "train.csv" in {path.name for path in public.iterdir()}
        async with sandbox.session(public_dir=public, limits=LIMITS) as session:
            assert "Error" in (await session.run("open('data/train.csv', 'a')", 60)).stderr
            assert "ModuleNotFoundError" in (await session.run("import numpy", 60)).stderr
        public.chmod(0o700)
        with pytest.raises(SandboxError, match=r"chmod -R o\+rX"):
            await said(sandbox, public, code)
    finally:
        await sandbox.close()


async def test_many_small_public_files_are_mounted_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "_ENTRIES_AT_MOST", 3)
    public = make_task(tmp_path, "many")
    for number in range(3):
        (public / f"{number}.txt").write_text("x")
    assert stage.take_stock(public, 4) is None
    assert stage.take_stock(public, 1000) is None
    monkeypatch.setattr(stage, "_ENTRIES_AT_MOST", 4)
    inventory = stage.take_stock(public, 1000)
    assert inventory is not None
    assert len(inventory.entries) == 4


async def test_cold_sessions_are_fresh_interpreters_in_the_container(configure: Callable[..., DockerConfig]) -> None:
    sandbox = DockerSandbox(configure(cold=True, preload=("numpy",)))
    try:
        await sandbox.start()
        assert sandbox.level is IsolationLevel.L1
        code = "import os, sys; kept = 'numpy' in sys.modules; print(kept, 'PYTHONMALLOC' in os.environ)\nimport numpy"
        async with sandbox.session(public_dir=None, limits=LIMITS) as session:
            assert (await session.run(code, 60)).stdout == "False False\n"
            assert (await session.run("print(kept, numpy.arange(4).sum())", 60)).stdout == "False 6\n"
        for check in (a_deadline_ends_the_session, a_running_cell_can_be_watched, others_cannot_be_signalled):
            await check(sandbox, Path("/nowhere"))
    finally:
        await sandbox.close()


async def test_gpus_are_asked_of_the_engine_which_says_what_is_missing(configure: Callable[..., DockerConfig]) -> None:
    if Path("/dev/nvidiactl").exists():
        pytest.skip("this machine has a GPU")
    sandbox = DockerSandbox(configure(gpus="all"))
    with pytest.raises(SandboxError, match=r"device driver .*gpu.*NVIDIA Container Toolkit"):
        await sandbox.start()


async def test_gpus_are_chosen_by_number_or_all() -> None:
    assert _device_requests(()) == []
    [every] = _device_requests("all")
    assert (every["Count"], every["Capabilities"]) == (-1, [["gpu"]])
    [some] = _device_requests((0, 3))
    assert (some["DeviceIDs"], some["Count"]) == (["0", "3"], 0)
