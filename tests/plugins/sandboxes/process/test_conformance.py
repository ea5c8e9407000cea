"""The process sandbox keeps the contract at every level that this machine can reach."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import sandmle.core
from sandmle.core.conformance.sandbox import CHECKS, Check
from sandmle.core.conformance.sandbox_walls import nothing_outside_is_readable, there_is_no_network
from sandmle.core.types.sandbox import IsolationLevel
from sandmle.plugins.sandboxes.config import ProcessConfig
from sandmle.plugins.sandboxes.process.backend import ProcessSandbox

NOBODY = 65_534
ROOT = str(Path(sandmle.core.__file__).parents[2])
AS_NOBODY = """
import asyncio, sys
from sandmle.core.conformance.sandbox import check_sandbox
from sandmle.core.types.sandbox import IsolationLevel
from sandmle.plugins.sandboxes.config import ProcessConfig
from sandmle.plugins.sandboxes.process.backend import ProcessSandbox
async def main():
    sandbox = ProcessSandbox(ProcessConfig(zygotes=1, strongest=IsolationLevel(sys.argv[1])))
    try:
        await sandbox.start()
        print(sandbox.level)
        print(*await check_sandbox(sandbox), sep="\\n")
    finally:
        await sandbox.close()
asyncio.run(main())
"""


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_keeps_the_contract(sandbox: ProcessSandbox, check: Check, tmp_path: Path) -> None:
    await check(sandbox, tmp_path)


@pytest.mark.parametrize("check", [nothing_outside_is_readable, there_is_no_network], ids=lambda check: check.__name__)
async def test_the_suite_sees_that_a_sandbox_without_walls_has_none(check: Check, tmp_path: Path) -> None:
    sandbox = ProcessSandbox(ProcessConfig(zygotes=1, strongest=IsolationLevel.L0, allow_unsafe=True, preload=()))
    try:
        await sandbox.start()
        assert sandbox.level is IsolationLevel.L0
        assert {one.name for one in sandbox.verdicts if not one.held} == {"read", "connect", "kill"}
        with pytest.raises(AssertionError, match=r"was read|reached the host"):
            await check(sandbox, tmp_path)
    finally:
        await sandbox.close()


@pytest.mark.parametrize("level", ["L3", "L2"])
def test_keeps_the_contract_for_an_ordinary_user(level: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("the other tests already run as an ordinary user")
    python = _interpreter_of_nobody()
    done = subprocess.run([python, "-c", AS_NOBODY, level], **_as_nobody(), capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    reached, *problems = done.stdout.split("\n")
    assert [line for line in problems if line] == []
    if reached != level:
        pytest.skip(f"an ordinary user reaches {reached} only on this machine")


def _as_nobody() -> dict[str, object]:
    libraries = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    environment = {"PYTHONPATH": os.pathsep.join([ROOT, *libraries]), "SECRET_OF_NOBODY": "a value to be found"}
    return {"user": NOBODY, "group": NOBODY, "extra_groups": [], "env": environment, "cwd": "/"}


def _interpreter_of_nobody() -> str:
    """An interpreter that an ordinary user may run and that loads our libraries, or skip."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, f"/usr/bin/{version}", f"/usr/local/bin/{version}"):
        try:
            tried = subprocess.run([python, "-c", "import numpy, pydantic, sandmle.core"], **_as_nobody(), check=False)
        except OSError:
            continue
        if tried.returncode == 0:
            return python
    pytest.skip("no interpreter here may be run by an ordinary user")
