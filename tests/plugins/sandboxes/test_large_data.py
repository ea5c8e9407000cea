"""Public files of any size are mounted into a session and not copied."""

from collections.abc import Callable
from pathlib import Path

import pytest

from sandmle.core.contracts.sandbox import Sandbox
from sandmle.core.types.sandbox import CellStatus, IsolationLevel, SandboxLimits
from sandmle.plugins.sandboxes.config import JupyterConfig, ProcessConfig
from sandmle.plugins.sandboxes.process.backend import ProcessSandbox

SIZE = 1 << 36
FOUR_HOURS_S = 14_400.0
LOOK = """
import os
with open('data/train.bin', 'rb') as file:
    file.seek(-4, 2)
    print(os.fstat(file.fileno()).st_size, os.fstat(file.fileno()).st_ino, file.read())
try:
    open('data/train.bin', 'r+b')
except OSError as problem:
    print('refused')
"""


def process(level: IsolationLevel, *, cold: bool = False) -> Sandbox:
    return ProcessSandbox(ProcessConfig(zygotes=1, preload=(), strongest=level, cold=cold))


def jupyter(level: IsolationLevel) -> Sandbox:
    pytest.importorskip("ipykernel")
    from sandmle.plugins.sandboxes.jupyter.backend import JupyterSandbox

    sandbox: Sandbox = JupyterSandbox(JupyterConfig(preload=(), spares=0, strongest=level))
    return sandbox


@pytest.mark.parametrize(
    "make",
    [
        lambda: process(IsolationLevel.L3),
        lambda: process(IsolationLevel.L2),
        lambda: process(IsolationLevel.L3, cold=True),
        lambda: jupyter(IsolationLevel.L3),
    ],
    ids=["process-L3", "process-L2", "process-cold", "jupyter-L3"],
)
async def test_a_file_larger_than_the_machine_is_the_same_file_inside(
    make: Callable[[], Sandbox], tmp_path: Path
) -> None:
    public = tmp_path / "public"
    public.mkdir()
    with open(public / "train.bin", "wb") as file:
        # Mostly a hole: it takes no room here, and would take 64 GiB in a copy.
        file.seek(SIZE - 4)
        file.write(b"last")
    sandbox = make()
    try:
        await sandbox.start()
        limits = SandboxLimits(memory_mb=512, workdir_mb=16)
        async with sandbox.session(public_dir=public, limits=limits) as session:
            result = await session.run(LOOK, FOUR_HOURS_S)
        assert result.status is CellStatus.OK, result.stderr
        assert result.stdout == f"{SIZE} {(public / 'train.bin').stat().st_ino} b'last'\nrefused\n"
    finally:
        await sandbox.close()
