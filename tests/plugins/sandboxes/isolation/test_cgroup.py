"""cgroup v2: where it is, when it may be divided, why not, and what it does for a session where it may."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from sandmle.core.errors import SandboxError
from sandmle.core.types.sandbox import CellStatus, SandboxLimits
from sandmle.plugins.sandboxes.config import ProcessConfig
from sandmle.plugins.sandboxes.isolation import tree
from sandmle.plugins.sandboxes.isolation.cgroup import Cgroups, open_cgroups, own_cgroup
from sandmle.plugins.sandboxes.process.backend import ProcessSandbox

PATIENCE_S = 120.0
UNIFIED = "36 25 0:31 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
HYBRID = (
    "31 30 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "40 30 0:33 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
)
CONTAINER = "36 25 0:31 /docker/abc /sys/fs/cgroup ro,nosuid master:9 - cgroup2 cgroup rw\n"
DAEMONS = """
import os, subprocess, sys
for _ in range(3):
    subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(300)'], stdout=subprocess.DEVNULL)
print('started')
"""


def proc(tmp_path: Path, mounts: str, groups: str) -> Path:
    """A process's view of its cgroups, as the kernel writes it."""
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "mountinfo").write_text("22 1 8:1 / / rw - ext4 /dev/sda1 rw\n" + mounts)
    (tmp_path / "self" / "cgroup").write_text(groups)
    return tmp_path


@pytest.mark.parametrize(
    ("mounts", "groups", "expected"),
    [
        (UNIFIED, "0::/user.slice/run-7.scope\n", "/sys/fs/cgroup/user.slice/run-7.scope"),
        (UNIFIED, "0::/a/run-7.scope/sandmle-host\n", "/sys/fs/cgroup/a/run-7.scope"),
        (UNIFIED, "0::/\n", "/sys/fs/cgroup"),
        (HYBRID, "4:memory:/x\n1:name=systemd:/y\n0::/z\n", "/sys/fs/cgroup/unified/z"),
        (CONTAINER, "0::/docker/abc\n", "/sys/fs/cgroup"),
        (CONTAINER, "0::/docker/abc/inner\n", "/sys/fs/cgroup/inner"),
    ],
)
def test_the_own_group_is_found_wherever_the_hierarchy_is_mounted(
    tmp_path: Path, mounts: str, groups: str, expected: str
) -> None:
    assert own_cgroup(proc(tmp_path, mounts, groups)) == Path(expected)


@pytest.mark.parametrize(
    ("mounts", "groups"), [("", "0::/\n"), (HYBRID, "4:memory:/\n"), (CONTAINER, "0::/docker/abcd\n")]
)
def test_a_group_that_cannot_be_seen_is_none(tmp_path: Path, mounts: str, groups: str) -> None:
    with pytest.raises(OSError, match="cgroup v2 is not mounted here"):
        own_cgroup(proc(tmp_path, mounts, groups))


def directory(tmp_path: Path, **files: str) -> Path:
    """A directory with files named as those of a cgroup, dots for underscores."""
    place = tmp_path / "group"
    place.mkdir()
    for name, text in files.items():
        (place / name.replace("_", ".", 1)).write_text(text)
    return place


def test_what_cannot_be_divided_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="is no cgroup v2 directory"):
        open_cgroups(tmp_path)
    place = directory(tmp_path, cgroup_controllers="cpu memory pids", cgroup_procs="")
    with pytest.raises(OSError, match="was not delegated to this user: start it with `systemd-run"):
        open_cgroups(place)
    (place / "cgroup.subtree_control").write_text("")
    with pytest.raises(OSError, match="controllers memory, pids are not enabled for groups below"):
        open_cgroups(place)
    (place / "cgroup.subtree_control").write_text("memory pids")
    with pytest.raises(OSError, match=r"have no cgroup\.kill"):
        open_cgroups(place)


def test_the_own_group_needs_both_controllers_and_no_strangers_in_it(tmp_path: Path) -> None:
    place = directory(
        tmp_path, cgroup_controllers="cpu pids", cgroup_procs="1\n", cgroup_subtree_control="", cgroup_type="domain\n"
    )
    seen = proc(tmp_path, f"36 25 0:31 / {place} rw - cgroup2 cgroup2 rw\n", "0::/\n")
    with pytest.raises(OSError, match="has no memory controller"):
        open_cgroups(None, seen)
    (place / "cgroup.controllers").write_text("cpu memory pids")
    with pytest.raises(OSError, match="holds processes that are not ours"):
        open_cgroups(None, seen)


async def test_a_sandbox_that_shall_have_cgroups_and_cannot_does_not_start(tmp_path: Path) -> None:
    sandbox = ProcessSandbox(ProcessConfig(zygotes=1, preload=(), cgroup="on", cgroup_root=tmp_path))
    with pytest.raises(SandboxError, match="is no cgroup v2 directory"):
        await sandbox.start()
    sandbox = ProcessSandbox(ProcessConfig(zygotes=1, cgroup="auto", cgroup_root=tmp_path, cold=True))
    try:
        await sandbox.start()
        assert sandbox.limits_by == "watchdog"
        assert "is no cgroup v2 directory" in sandbox.detail
    finally:
        await sandbox.close()


@pytest.fixture
def root() -> Iterator[Path]:
    """A real cgroup that may be divided, or skip."""
    try:
        place = own_cgroup() / f"sandmle-test-{os.getpid()}"
        place.mkdir()
    except OSError as problem:
        pytest.skip(f"no cgroup v2 can be made here: {problem}")
    try:
        yield place
    finally:
        place.rmdir()


def members(root: Path) -> list[set[int]]:
    """The processes of each group below `root`."""
    return [{int(word) for word in (place / "cgroup.procs").read_text().split()} for place in _groups(root)]


def _groups(root: Path) -> list[Path]:
    return [path for path in root.iterdir() if path.is_dir()]


@pytest.mark.parametrize("cold", [False, True])
async def test_a_session_has_a_group_of_its_own_that_ends_with_it(root: Path, cold: bool) -> None:
    sandbox = ProcessSandbox(ProcessConfig(zygotes=1, preload=(), cold=cold, cgroup="on", cgroup_root=root))
    limits = SandboxLimits()
    try:
        await sandbox.start()
        assert sandbox.limits_by == "cgroup v2"
        assert "cgroup.kill" in sandbox.detail
        assert members(root) == []
        async with (
            sandbox.session(public_dir=None, limits=limits) as one,
            sandbox.session(public_dir=None, limits=limits) as two,
        ):
            assert (await one.run(DAEMONS, PATIENCE_S)).stdout == "started\n"
            assert (await two.run("print(6 * 7)", PATIENCE_S)).stdout == "42\n"
            assert sorted(len(group) for group in members(root)) == [1, 4]
            ours = set(tree.descendants(os.getpid()))
            assert all(group <= ours for group in members(root))
            await one.end()
            assert sorted(len(group) for group in members(root)) == [0, 1]
            assert (await two.run("import os; os._exit(3)", PATIENCE_S)).status is CellStatus.DIED
        for _ in range(100):
            if not _groups(root):
                break
            await asyncio.sleep(0.05)
            sandbox._cgroups.clear()
        assert _groups(root) == []
    finally:
        await sandbox.close()


async def test_the_kernel_bounds_memory_and_processes_where_it_has_the_controllers(root: Path) -> None:
    groups = open_cgroups(root)
    if groups.controllers != {"memory", "pids"}:
        pytest.skip(f"this machine's cgroup v2 has only {groups.bounds}: memory and pids belong to cgroup v1 here")
    sandbox = ProcessSandbox(ProcessConfig(zygotes=1, preload=(), cold=True, cgroup="on", cgroup_root=root))
    limits = SandboxLimits(memory_mb=128, workdir_mb=16, processes=8)
    try:
        await sandbox.start()
        async with sandbox.session(public_dir=None, limits=limits) as session:
            [place] = _groups(root)
            assert int((place / "memory.max").read_text()) == (128 + 16 + 64) * 1024 * 1024
            assert (place / "pids.max").read_text() == "8\n"
            result = await session.run("kept = [bytearray(b'x' * 2**20) for _ in range(2000)]", PATIENCE_S)
            assert result.status is CellStatus.DIED
            assert "more than the memory limit of 128 MiB" in result.stderr
    finally:
        await sandbox.close()


def test_groups_of_dead_hosts_are_removed_and_those_of_the_living_stay(root: Path) -> None:
    own = os.getpid()
    left = [root / f"sandmle-session-{own}-1-1", root / "sandmle-session-4194305-7-2"]
    kept = root / f"sandmle-session-{own}-{tree.started(own)}-3"
    try:
        for place in (*left, kept):
            place.mkdir()
        Cgroups(root, frozenset())
        assert _groups(root) == [kept]
    finally:
        for place in (*left, kept):
            with suppress(FileNotFoundError):
                place.rmdir()
