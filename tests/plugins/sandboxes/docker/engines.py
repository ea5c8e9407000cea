"""Real Docker engines for the tests: private ones, with sockets and storage in a directory of their own."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[4] / "scripts" / "build_sandbox_image.py"
IMAGE = "sandmle/sandbox-of-the-tests"
START_S = 120.0


@dataclass(frozen=True)
class PrivateEngine:
    """An engine that a test may stop."""

    address: str
    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        """End it as a machine that shuts down would, and wait."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()


@contextmanager
def private_engine() -> Iterator[PrivateEngine]:
    """Start an engine without network or firewall rules, or skip with the reason."""
    if (dockerd := shutil.which("dockerd")) is None:
        pytest.skip("no Docker engine is installed here: apt-get install docker.io")
    if os.geteuid() != 0:
        pytest.skip("only root can start a Docker engine of its own")
    directory = Path(tempfile.mkdtemp(prefix="sandmle-engine-"))
    address = f"unix://{directory}/docker.sock"
    words = [
        dockerd, "-H", address, "--data-root", f"{directory}/data", "--exec-root", f"{directory}/exec",
        "--pidfile", f"{directory}/pid", "--iptables=false", "--ip6tables=false", "--bridge=none",
    ]  # fmt: skip
    with open(directory / "log", "wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True)
    engine = PrivateEngine(address, process)
    try:
        _wait_for(directory, process)
        yield engine
    finally:
        engine.stop()
        for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
            if (place := line.split()[1]).startswith(f"{directory}/"):
                subprocess.run(["umount", "--lazy", place], check=False)
        shutil.rmtree(directory, ignore_errors=True)


def build_image(address: str) -> None:
    """Build the default image by its script."""
    words = [sys.executable, str(SCRIPT), "--engine", address, "--tag", IMAGE]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _wait_for(directory: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_S
    while not (directory / "docker.sock").exists() or b"API listen" not in (directory / "log").read_bytes():
        if process.poll() is not None or time.monotonic() > deadline:
            words = (directory / "log").read_text(encoding="utf-8", errors="replace")
            pytest.skip(f"a Docker engine does not start here: {words[-1000:]}")
        time.sleep(0.05)
