"""Files come out of a hostile directory by its descriptor, or not at all."""

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandmle.core.types.sandbox import FetchedFiles, FetchRefusal
from sandmle.plugins.sandboxes.fetch import fetch_all, fetch_file


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


@pytest.fixture
def fd(work: Path) -> Iterator[int]:
    opened = os.open(work, os.O_RDONLY | os.O_DIRECTORY)
    yield opened
    os.close(opened)


def reason(got: FetchedFiles | FetchRefusal) -> str:
    assert isinstance(got, FetchRefusal), f"handed over: {got}"
    return got.reason


def test_every_refusal_says_why(work: Path, fd: int, tmp_path: Path) -> None:
    (tmp_path / "answers").write_text("secret")
    (work / "plain").write_bytes(b"12345")
    (work / "sub").mkdir()
    os.symlink(tmp_path / "answers", work / "link")
    os.symlink("sub", work / "linkdir")
    os.link(tmp_path / "answers", work / "hard")
    os.mkfifo(work / "fifo")
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(work / "socket"))
    with server:
        expected = {
            "link": "symbolic link",
            "linkdir/x": "symbolic link",
            "hard": "hard link",
            "fifo": "not a regular file",
            "socket": "not a regular file",
            "sub": "is a directory",
            "missing": "does not exist",
            "plain/x": "not a directory",
            "../answers": "outside the work directory",
            "sub/../../answers": "outside the work directory",
            str(tmp_path / "answers"): "outside the work directory",
            "/proc/self/environ": "outside the work directory",
            "x" * 300: "too long",
            "": "not a usable name",
            "a\0b": "not a usable name",
            "a\nb": "not a usable name",
        }
        for path, words in expected.items():
            assert words in reason(fetch_file(fd, path, 100)), path
    assert reason(fetch_file(fd, "plain", 4)) == "is larger than 4 bytes"
    assert fetch_file(fd, "plain", 5) == FetchedFiles(files={"plain": b"12345"})
    assert fetch_file(fd, "sub/../plain", 5) == FetchedFiles(files={"sub/../plain": b"12345"})


def test_a_file_exchanged_for_a_link_again_and_again_never_leaks(work: Path, fd: int, tmp_path: Path) -> None:
    (tmp_path / "answers").write_text("secret")
    stop = threading.Event()

    def exchange() -> None:
        while not stop.is_set():
            (work / "new").write_text("mine")
            os.replace(work / "new", work / "file")
            os.symlink(tmp_path / "answers", work / "new")
            os.replace(work / "new", work / "file")

    attacker = threading.Thread(target=exchange)
    attacker.start()
    try:
        for _ in range(2000):
            got = fetch_file(fd, "file", 100)
            assert isinstance(got, FetchRefusal) or got.files["file"] in (b"", b"mine")
    finally:
        stop.set()
        attacker.join()


def test_a_tree_comes_whole_without_the_public_files(work: Path, fd: int) -> None:
    (work / "a" / "b").mkdir(parents=True)
    (work / "a" / "b" / "c.txt").write_bytes(b"deep")
    (work / "top").write_bytes(b"")
    (work / "data").mkdir()
    (work / "data" / "train.csv").write_bytes(b"public")
    assert fetch_all(fd, ".", 100, 10, skip="data") == FetchedFiles(files={"a/b/c.txt": b"deep", "top": b""})
    assert fetch_all(fd, "a", 100, 10) == FetchedFiles(files={"a/b/c.txt": b"deep"})
    assert fetch_all(fd, "a/../a/b/", 100, 10) == FetchedFiles(files={"a/b/c.txt": b"deep"})


def test_one_bad_entry_refuses_the_tree(work: Path, fd: int) -> None:
    (work / "good").write_bytes(b"x")
    for make in (lambda bad: os.symlink("good", bad), os.mkfifo, lambda bad: os.link(work / "good", bad)):
        make(work / "bad")
        assert reason(fetch_all(fd, ".", 100, 10))
        (work / "bad").unlink()
    open(os.fsencode(work) + b"/\xff\x1b", "w").close()
    assert "unprintable" in reason(fetch_all(fd, ".", 100, 10))


def test_trees_are_limited_in_bytes_entries_and_depth(work: Path, fd: int) -> None:
    for number in range(5):
        (work / f"f{number}").write_bytes(b"xy")
    assert isinstance(fetch_all(fd, ".", 10, 5), FetchedFiles)
    assert "larger" in reason(fetch_all(fd, ".", 9, 5))
    assert "more than 4 files" in reason(fetch_all(fd, ".", 10, 4))
    place = work / "deep"
    for _ in range(40):
        place.mkdir()
        place = place / "d"
    assert "nested deeper" in reason(fetch_all(fd, "deep", 10, 100))
