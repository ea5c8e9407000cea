"""Kernels of other makers, started cold from the specification that the user names."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sandmle.core.conformance.sandbox_walls import nothing_outside_is_readable, there_is_no_network
from sandmle.core.errors import SandboxError
from sandmle.core.types.sandbox import CellStatus, IsolationLevel, SandboxLimits
from sandmle.plugins.sandboxes.config import JupyterConfig
from sandmle.plugins.sandboxes.jupyter.backend import JupyterSandbox

WAIT_S = 60.0
STOCK = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]


@pytest.fixture
def kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this test's kernel specifications are; Jupyter looks there, too."""
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    return tmp_path / "kernels"


def install(kernels: Path, name: str, argv: list[str]) -> None:
    (kernels / name).mkdir(parents=True)
    spec = {"argv": argv, "display_name": name, "language": "python", "env": {"OF_THE_SPEC": "there"}}
    (kernels / name / "kernel.json").write_text(json.dumps(spec))


@asynccontextmanager
async def started(kernel: str, level: str = "L3") -> AsyncIterator[JupyterSandbox]:
    made = JupyterSandbox(JupyterConfig(kernel=kernel, preload=(), spares=0, strongest=IsolationLevel(level)))
    try:
        await made.start()
        yield made
    finally:
        await made.close()


@pytest.mark.parametrize("level", ["L3", "L2"])
async def test_a_stock_kernel_runs_enclosed_keeps_state_and_can_be_interrupted(kernels: Path, level: str) -> None:
    install(kernels, "stock", STOCK)
    async with (
        started("stock", level) as sandbox,
        sandbox.session(public_dir=None, limits=SandboxLimits()) as session,
    ):
        assert sandbox.level == level
        assert (await session.run("import os\nx = 41\nos.environ['OF_THE_SPEC']", WAIT_S)).stdout == "'there'\n"
        running = asyncio.create_task(session.run("import time\nprint('begun')\ntime.sleep(600)", WAIT_S))
        while "begun" not in (await session.output_so_far()).stdout:
            await asyncio.sleep(0.02)
        session.interrupt()
        assert (await running).status is CellStatus.ERROR
        assert (await session.run("open('f', 'w').write('kept')\nx + 1", WAIT_S)).stdout == "42\n"
        assert (await session.fetch("f", 10)).files == {"f": b"kept"}


async def test_a_stock_kernel_reaches_neither_files_nor_network_outside(kernels: Path, tmp_path: Path) -> None:
    install(kernels, "stock", STOCK)
    async with started("stock") as sandbox:
        for check in (nothing_outside_is_readable, there_is_no_network):
            (tmp_path / check.__name__).mkdir()
            await check(sandbox, tmp_path / check.__name__)


async def test_a_program_that_ends_at_once_is_an_error_with_what_it_said(kernels: Path) -> None:
    install(kernels, "broken", ["/bin/sh", "-c", "echo no licence found >&2; exit 3"])
    with pytest.raises(SandboxError, match="no licence found"):
        async with started("broken"):
            pass


async def test_a_program_that_is_not_there_inside_is_an_error_that_names_it(kernels: Path, tmp_path: Path) -> None:
    install(kernels, "absent", [str(tmp_path / "nowhere"), "{connection_file}"])
    with pytest.raises(SandboxError, match=r"nowhere cannot be run inside; name where it lies under `readable`"):
        async with started("absent"):
            pass


async def test_an_unknown_kernel_is_an_error_with_the_nearest_name(kernels: Path) -> None:
    install(kernels, "stock", STOCK)
    with pytest.raises(SandboxError, match=r"no Jupyter kernel is named 'stok' \(did you mean 'stock'\?\)"):
        async with started("stok"):
            pass
