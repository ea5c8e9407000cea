"""Exec a zygote as a process of this machine, with nothing of the host's in its memory or environment."""

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from sandmle.core.errors import SandboxError
from sandmle.plugins.sandboxes.config import ProcessConfig
from sandmle.plugins.sandboxes.isolation import Plan, gpus, tree
from sandmle.plugins.sandboxes.process import wire
from sandmle.plugins.sandboxes.process.host import ZygoteProcess

BARE_PACKAGE: Final = """
import os, sys, types
# A bare package in place of the facade: a zygote imports its own few modules and nothing heavy.
# The working directory tells where it is, because arguments can be read inside sessions.
sandmle = sys.modules["sandmle"] = types.ModuleType("sandmle")
sandmle.__path__ = [os.path.join(os.getcwd(), "sandmle")]
"""
_BOOT: Final = f"""{BARE_PACKAGE}
from sandmle.plugins.sandboxes.process.zygote import main
main(*map(int, sys.argv[1:]))
"""
_CLOSE_TIMEOUT_S: Final = 10.0
_RETRY_S: Final = 0.005


@dataclass(frozen=True, slots=True)
class _OwnProcess:
    """A zygote that was exec'd here, and the directory it works in."""

    process: subprocess.Popen[bytes]
    scratch: str

    @property
    def pid(self) -> int:
        return self.process.pid

    async def vanish(self) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _CLOSE_TIMEOUT_S
        while self.process.poll() is None and loop.time() < deadline:
            await asyncio.sleep(_RETRY_S)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        # The guardian has done it, unless the zygote ended before there was one.
        tree.remove(self.scratch)


def launch(plan: Plan, config: ProcessConfig) -> ZygoteProcess:
    """Exec a zygote of this interpreter; it is not ready yet.

    Raises:
        SandboxError: the interpreter cannot be started.
    """
    try:
        devices = gpus.device_files(config.gpus) if config.gpus else ()
    except OSError as problem:
        raise SandboxError(str(problem)) from problem
    root = source_root()
    is_library = root.name in ("site-packages", "dist-packages")
    mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    mine.setblocking(False)
    life_read, life_write = os.pipe()
    log = os.fdopen(os.memfd_create("zygote", os.MFD_CLOEXEC), "w+b")
    scratch = tempfile.mkdtemp(prefix="sandmle-")
    os.chmod(scratch, 0o711)
    try:
        process = subprocess.Popen(
            [sys.executable, "-s", "-P", "-c", _BOOT, str(theirs.fileno()), str(life_read)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log, cwd=str(root),
            env=clean_environment(), pass_fds=(theirs.fileno(), life_read), start_new_session=True,
        )  # fmt: skip
    except OSError as problem:
        os.close(life_write)
        os.rmdir(scratch)
        raise SandboxError(f"the zygote could not be started: {problem}") from problem
    finally:
        theirs.close()
        os.close(life_read)
    mine.send(
        wire.pack({
            "plan": asdict(plan), "preload": () if config.is_cold else config.preload, "scratch": scratch,
            "cold": config.is_cold, "devices": devices, "spares": config.spares,
            "libraries": library_paths(), "hidden": [] if is_library else [str(root)],
        })
    )  # fmt: skip
    return ZygoteProcess(_OwnProcess(process, scratch), mine, life_write, log)


def source_root() -> Path:
    """The directory that holds our own package."""
    return Path(__file__).resolve().parents[4]


def library_paths() -> list[str]:
    """Where this interpreter's installed packages are."""
    return [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]


def clean_environment() -> dict[str, str]:
    """The whole environment of a zygote and its sessions: nothing of the host's own.

    One thread for every numerical library, because only a single-threaded process forks safely.
    Plain malloc on huge pages makes forking several times cheaper than Python's allocator.
    Where pyarrow is installed, pandas imports it, and its allocator starts a thread unless told not to.
    """
    threads = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB_MAXIMUM", "BLIS", "RAYON")
    return {
        "PATH": f"{os.path.dirname(sys.executable)}:/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8", "HOME": "/tmp", "TMPDIR": "/dev/shm", "MPLBACKEND": "Agg",
        "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0", "PYTHONUTF8": "1",
        "PYTHONMALLOC": "malloc", "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
        "LOKY_MAX_CPU_COUNT": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false",
        **{f"{name}_NUM_THREADS": "1" for name in threads},
    }  # fmt: skip
