"""Folders of public files: alike in age, gone with their block, and swept up after a kill."""

import errno
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from sandmle.plugins.synthesizer import scratch
from sandmle.plugins.synthesizer.scratch import PREFIX, public_folder, sweep


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def left(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"{PREFIX}*"))


def test_only_public_files_are_written_and_all_are_of_one_age(tmp_path: Path) -> None:
    with public_folder({"public/a/b.png": b"1", "public/c.csv": b"2", "private/answers.csv": b"3"}) as public:
        found = {path.relative_to(public).as_posix(): path for path in public.rglob("*") if path.is_file()}
        assert set(found) == {"a/b.png", "c.csv"}
        assert {path.stat().st_mtime_ns for path in found.values()} == {0}
        assert not list(left(tmp_path)[0].rglob("answers.csv"))
    assert left(tmp_path) == []


@pytest.mark.skipif(not os.path.ismount("/dev/shm"), reason="there are no files in memory here")
def test_files_are_kept_in_memory_unless_another_folder_was_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with public_folder({"public/train.csv": b"1"}) as public:
        assert public.is_relative_to(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", "/tmp")
    with public_folder({"public/train.csv": b"1", "private/answers.csv": b"2"}) as public:
        assert public.is_relative_to("/dev/shm")
        assert public.parent.stat().st_mode & 0o777 == 0o700
        assert [path.name for path in public.rglob("*")] == ["train.csv"]
    assert not public.parent.exists()
    with public_folder({"public/train.csv": b"1" * (64 * 2**20 + 1)}) as public:
        assert public.is_relative_to("/tmp")


def test_files_go_to_the_usual_folder_where_memory_runs_full_on_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = tmp_path / "memory"
    memory.mkdir()
    write_bytes = Path.write_bytes

    def write(path: Path, content: bytes) -> int:
        if path.is_relative_to(memory) and path.name == "2.png":
            raise OSError(errno.ENOSPC, "No space left on device")
        return write_bytes(path, content)

    monkeypatch.setattr(scratch, "_memory_for", lambda contents: str(memory))
    monkeypatch.setattr(Path, "write_bytes", write)
    with public_folder({"public/images/1.png": b"1", "public/images/2.png": b"2"}) as public:
        assert left(tmp_path) == [public.parent]
        assert left(memory) == []
        assert sorted(path.name for path in (public / "images").iterdir()) == ["1.png", "2.png"]
    assert left(tmp_path) == []


def test_a_failing_block_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), public_folder({}):
        raise RuntimeError
    assert left(tmp_path) == []


KILLED = """
import os, signal, sys, tempfile
tempfile.tempdir = sys.argv[1]
from sandmle.plugins.synthesizer.scratch import public_folder
with public_folder({"public/train.csv": b"1"}):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_is_swept_and_what_is_in_use_stays(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False, timeout=120)
    assert done.returncode == -signal.SIGKILL
    [orphan] = left(tmp_path)
    with public_folder({"public/train.csv": b"1"}) as public:
        assert sweep() == 1
        assert not orphan.exists()
        assert (public / "train.csv").exists()
        assert sweep() == 0
    assert left(tmp_path) == []


def test_what_is_not_ours_is_not_swept(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / ".lock").touch()
    (tmp_path / f"{PREFIX}link").symlink_to(elsewhere)
    (tmp_path / f"{PREFIX}file").touch()
    (tmp_path / f"{PREFIX}being-made").mkdir()
    (tmp_path / f"{PREFIX}trap").mkdir()
    os.symlink("/etc/hostname", tmp_path / f"{PREFIX}trap" / ".lock")
    assert sweep() == 0
    assert len(left(tmp_path)) == 4
    assert (elsewhere / ".lock").exists()
