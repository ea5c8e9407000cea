#!/usr/bin/env python3
"""Build the default image of the docker sandbox out of this machine's own Python, without any registry.

Run with `python scripts/build_sandbox_image.py [--engine unix:///path] [--tag NAME]`. The image holds the
interpreter that runs this script with its standard library, the shared libraries that it and the
installed packages load, a shell and some common tools, and nothing else of this machine. Installed
packages are not in it: the sandbox shows them read-only (`lend_libraries`).
"""

import argparse
import io
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import docker

from sandmle.core.errors import SandboxError
from sandmle.plugins.sandboxes.config import DockerConfig
from sandmle.plugins.sandboxes.docker.engine import Engine

TOOLS = (
    "awk", "bash", "basename", "cat", "chmod", "cp", "cut", "date", "df", "diff", "dirname", "du", "echo", "env",
    "expr", "false", "file", "find", "grep", "gunzip", "gzip", "head", "id", "ln", "ls", "mkdir", "mktemp", "mv",
    "nproc", "od", "paste", "printf", "pwd", "readlink", "realpath", "rm", "rmdir", "sed", "seq", "sh", "sleep", "sort",
    "split", "stat", "tail", "tar", "tee", "test", "touch", "tr", "true", "uname", "uniq", "unzip", "wc",
    "which", "xargs",
)  # fmt: skip
FOR_PACKAGES = (
    "libstdc++.so.6",
    "libgcc_s.so.1",
    "libgomp.so.1",
    "libdl.so.2",
    "libpthread.so.0",
    "librt.so.1",
    "libutil.so.1",
)
"""What compiled packages expect of a system besides what an interpreter does (manylinux's list)."""
LEFT_OUT = {"site-packages", "dist-packages", "test", "tests", "idlelib", "ensurepip", "turtledemo", "lib2to3"}
ACCOUNTS = {
    "etc/passwd": "root:x:0:0::/:/bin/sh\nagent:x:65534:65534::/tmp:/bin/sh\n",
    "etc/group": "root:x:0:\nagent:x:65534:\n",
}
EMPTY = ("tmp", "proc", "sys", "dev", "run", "sandmle")


class Tree:
    """A tar of paths of this machine, each with every link on the way to it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._tar = tarfile.open(fileobj=file, mode="w")  # noqa: SIM115  Closed by `close`.
        self._seen: set[str] = set()

    def add(self, path: str) -> None:
        """Add a file or link, what a link leads to, and the directories above."""
        here = Path("/")
        for part in Path(path).parts[1:]:
            here /= part
            if here.is_symlink():
                self._put(here)
                target = os.path.normpath(here.parent / os.readlink(here))
                self.add(os.path.join(target, os.path.relpath(path, here)) if str(here) != path else target)
                return
            self._put(here)

    def add_all(self, folder: str) -> None:
        """Add everything below `folder` that belongs to a running interpreter."""
        for place, folders, files in os.walk(folder):
            folders[:] = sorted(name for name in folders if name not in LEFT_OUT)
            for name in sorted(files):
                if not name.endswith(".a"):
                    self.add(os.path.join(place, name))

    def text(self, name: str, content: str) -> None:
        """Add a file that is not this machine's."""
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = len(content), 0o644
        self._seen.add(name)
        self._tar.addfile(entry, io.BytesIO(content.encode()))

    def link(self, name: str, target: str) -> None:
        """Add a symbolic link that is not this machine's."""
        if name not in self._seen:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname, entry.mode = tarfile.SYMTYPE, target, 0o777
            self._tar.addfile(entry)
            self._seen.add(name)

    def close(self) -> None:
        """Add what must be there though empty, and finish."""
        for name in (name for name in EMPTY if name not in self._seen):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            self._tar.addfile(entry)
        self._tar.close()

    def _put(self, path: Path) -> None:
        name = str(path).lstrip("/")
        if name in self._seen:
            return
        self._seen.add(name)
        entry = self._tar.gettarinfo(path, name)
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = "root"
        # A home directory may be closed here; what is in the image is for everybody.
        entry.mode |= 0o555 if entry.isdir() or entry.mode & 0o100 else 0o444
        entry.mode &= 0o755
        if entry.isreg():
            # Hard links are told apart from their own names only here.
            with path.open("rb") as file:
                self._tar.addfile(entry, file)
        elif entry.isdir() or entry.issym():
            self._tar.addfile(entry)
        elif entry.islnk():
            entry.type, entry.size = tarfile.REGTYPE, path.stat().st_size
            with path.open("rb") as file:
                self._tar.addfile(entry, file)


def shared_libraries(programs: Iterable[str]) -> set[str]:
    """Every shared library that the loader would take for `programs`, and the loader."""
    found: set[str] = set()
    done = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=False)
    for line in done.stdout.splitlines():
        words = line.split("=>")[-1].split()
        if line.startswith((" ", "\t")) and words and words[0].startswith("/"):
            found.add(words[0])
    return found


def known_libraries(names: Iterable[str]) -> Iterator[str]:
    """Where the loader's own list has the libraries `names`."""
    ldconfig = shutil.which("ldconfig", path=f"{os.environ.get('PATH', '')}:/sbin:/usr/sbin")
    if ldconfig is None:
        return
    for line in subprocess.run([ldconfig, "-p"], capture_output=True, text=True, check=True).stdout.splitlines():
        name, _, path = line.strip().partition(" => ")
        if name.split(" ")[0] in names and (sys.maxsize > 2**32) == ("64" in name):
            yield path


def fill(tree: Tree) -> None:
    """Add everything."""
    interpreter = os.path.realpath(sys.executable)
    programs = [interpreter, *filter(None, map(shutil.which, TOOLS))]
    standard = sysconfig.get_path("stdlib")
    compiled = [str(path) for path in Path(standard, "lib-dynload").glob("*.so")]
    for path in (*programs, *sorted(shared_libraries([*programs, *compiled])), *known_libraries(FOR_PACKAGES)):
        tree.add(path)
    tree.add_all(standard)
    for folder in ("/usr/lib/locale/C.utf8", "/usr/share/zoneinfo"):
        if os.path.isdir(folder):
            tree.add_all(folder)
    # The dynamic loader is named by an absolute path in every program.
    for path in ("/lib", "/lib64", "/bin", "/etc/ld.so.cache", "/usr/bin/env"):
        if os.path.lexists(path):
            tree.add(path)
    for name in ("python3", "python"):
        tree.link(f"usr/local/bin/{name}", interpreter)
    for name, content in ACCOUNTS.items():
        tree.text(name, content)


def build(engine: Engine, tag: str) -> tuple[str, int]:
    """Make the image; its id and its size in bytes."""
    with tempfile.TemporaryFile() as file:
        tree = Tree(file)
        fill(tree)
        tree.close()
        size = file.tell()
        file.seek(0)
        name, _, label = tag.partition(":")
        client = docker.APIClient(base_url=engine.address, version="auto", timeout=600)
        with file as data:
            client.import_image_from_data(
                data, repository=name, tag=label or "latest",
                changes=["ENV PATH=/usr/local/bin:/usr/bin:/bin", "LABEL sandmle.image=default"],
            )  # fmt: skip
        client.close()
    return engine.image_id(tag), size


def main() -> None:
    """Build and say what was built."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", help="unix:///path of the engine's socket; else DOCKER_HOST, else the usual place")
    parser.add_argument("--tag", default=DockerConfig().image, help="name of the image (default: %(default)s)")
    words = parser.parse_args()
    try:
        engine = Engine(words.engine)
        identity, size = build(engine, words.tag)
        engine.close()
    except SandboxError as problem:
        sys.exit(str(problem))
    print(f"{words.tag} {identity} ({size / 1e6:.0f} MB) with Python {sys.version.split()[0]}")


if __name__ == "__main__":
    main()
