"""A verdict follows from what happened to the target, whatever the attacker says."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sandmle.core.types.sandbox import CellResult, CellStatus
from sandmle.plugins.sandboxes.isolation.probes import PROBE_NAMES, attack


class Inside:
    """A session whose cell runs in the open: it can do what the test tells it to."""

    def __init__(self, *, through: str) -> None:
        self.through = through

    async def run(self, code: str, timeout_s: float) -> CellResult:
        place, port, _ = re.search(r"= ('.*?'), (\d+), (\d+)", code).groups()
        said = {"read": ["no"], "connect": ["no"], "kill": ["no"]}
        if self.through == "read":
            said["read"] = [Path(place.strip("'")).read_text()]
        if self.through == "connect":
            socket.create_connection(("127.0.0.1", int(port))).close()
        if self.through == "kill":
            said["kill"] = ["sent"]
        return CellResult(status=CellStatus.OK, stdout=json.dumps(said), stderr="", wall_s=0.0)


async def test_each_attack_that_gets_through_is_seen() -> None:
    for name in PROBE_NAMES:
        verdicts = await attack(Inside(through=name))
        assert {one.name for one in verdicts if not one.held} == {name}
    assert all(one.held for one in await attack(Inside(through="nothing")))


def test_a_prober_that_is_killed_leaves_nothing_behind(tmp_path: Path) -> None:
    code = (
        "import os, signal\n"
        "from sandmle.plugins.sandboxes.isolation.probes import targets\n"
        "with targets(): os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "TMPDIR": str(tmp_path)}, check=False)
    assert done.returncode == -signal.SIGKILL
    for _ in range(500):
        if not any(tmp_path.iterdir()):
            return
        time.sleep(0.02)
    pytest.fail(f"left behind: {list(tmp_path.iterdir())}")
