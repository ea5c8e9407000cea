"""Processes and files of a session, seen and removed from outside."""

import os
import subprocess
import time
from pathlib import Path

from sandmle.plugins.sandboxes.isolation import tree


def test_descendants_and_their_memory_are_seen() -> None:
    code = "import os, time; block = bytearray(60 << 20); os.fork(); os.write(1, b'up\\n'); time.sleep(60)"
    with subprocess.Popen(["python3", "-S", "-c", code], stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        assert process.stdout.readline() == b"up\n"
        pids = tree.descendants(process.pid)
        assert len(pids) == 2
        assert process.pid in tree.descendants(os.getpid())
        cheap = tree.memory_bytes(pids, above=1 << 40)
        exact = tree.memory_bytes(pids, above=0)
        tree.kill_group(process.pid)
    # Both processes have the same 60 MiB resident; shared, they count once.
    assert cheap > 115 << 20
    assert 60 << 20 < exact < 100 << 20
    # The forked one is not ours to wait for: it goes when it has been killed and reaped.
    deadline = time.monotonic() + 20
    while tree.memory_bytes(pids, above=0) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert tree.memory_bytes(pids, above=0) == 0


def test_what_a_session_orphans_is_still_below_it() -> None:
    code = """if True:
        import os, time
        if os.fork() == 0:
            if os.fork() == 0: time.sleep(60)
            os._exit(0)
        os.wait()
        time.sleep(60)
    """
    with subprocess.Popen(["python3", "-S", "-c", code], start_new_session=True) as process:
        deadline = time.monotonic() + 20
        while len(found := tree.descendants(process.pid)) != 2 or _parent_of(found[1]) == process.pid:
            assert time.monotonic() < deadline, found
            time.sleep(0.01)
        tree.kill_group(process.pid)


def _parent_of(pid: int) -> int:
    # It may end between being found and being looked at.
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except FileNotFoundError:
        return 0


def test_nasty_trees_are_removed_whole(tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    here = os.getcwd()
    os.chdir(top)
    try:
        for _ in range(3000):
            os.mkdir("d")
            os.chdir("d")
        Path("file").write_text("x")
    finally:
        os.chdir(here)
    closed = top / "closed"
    closed.mkdir()
    (closed / "inner").write_text("x")
    closed.chmod(0)
    os.symlink("/etc", top / "link")
    os.mkfifo(top / "fifo")
    (top / ".1.removed").mkdir()
    tree.remove(str(top))
    assert not top.exists()
    tree.remove(str(top))


def test_files_are_counted_without_following_links(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").write_bytes(b"x" * 100_000)
    os.symlink("/usr", tmp_path / "link")
    assert 100_000 <= tree.tree_files_bytes(str(tmp_path)) < 200_000


def test_files_without_a_name_are_counted_and_many_names_hide_nothing(tmp_path: Path) -> None:
    with open(tmp_path / "file", "wb") as file:
        (tmp_path / "file").unlink()
        file.write(b"x" * 100_000)
        file.flush()
        assert tree.tree_files_bytes(str(tmp_path)) == 0
        assert 100_000 <= tree.tree_files_bytes(str(tmp_path), [os.getpid()]) < 200_000
    for number in range(4):
        (tmp_path / str(number)).touch()
    assert tree.tree_files_bytes(str(tmp_path), entries=4) == 0
    assert tree.tree_files_bytes(str(tmp_path), entries=3) > 1 << 50
