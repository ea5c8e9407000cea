"""Ways to run a session of cells without a container, each as its user would."""

import asyncio
import os
import sys
import tempfile
from pathlib import Path
from typing import Any, Protocol

from sandbox_parts.cells import CELLS, IMPORTS, LOGREG, TRIVIAL, run_bare, scripts
from sandbox_parts.figures import END, SESSION, START, Record
from sandbox_parts.figures import LOGREG as LOGREG_ROW
from sandbox_parts.figures import TRIVIAL as TRIVIAL_ROW
from sandmle.core.contracts.sandbox import Sandbox
from sandmle.core.types.sandbox import CellStatus, SandboxLimits

DEADLINE_S = 120.0
STEPS = 20
"""Trivial and LogReg steps on one open session."""
REST_S = 0.15
"""Between sessions of a way that keeps some ready: it may get the next one ready, as while a model thinks."""


class Way(Protocol):
    """One way of running a session."""

    name: str
    is_slow: bool
    """Sessions take seconds: fewer are run."""

    async def start(self) -> None:
        """Get ready, once."""

    async def session(self, record: Record) -> None:
        """Run one session and record it."""

    async def close(self) -> None:
        """Leave nothing behind."""


class Bare:
    """`exec` in this process."""

    name = "bare exec"
    is_slow = False

    async def start(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        os.chdir(self._folder.name)
        run_bare((IMPORTS, *CELLS), {"__name__": "__main__"})

    async def session(self, record: Record) -> None:
        names: dict[str, Any] = {"__name__": "__main__"}
        with record.timed(self.name, SESSION):
            run_bare(CELLS, names)
        for what, cell in ((TRIVIAL_ROW, TRIVIAL), (LOGREG_ROW, LOGREG)):
            for _ in range(STEPS):
                with record.timed(self.name, what):
                    run_bare((cell,), names)

    async def close(self) -> None:
        os.chdir("/")
        self._folder.cleanup()


class Ours:
    """A sandbox of this package, through its public contract."""

    is_slow = False

    def __init__(self, name: str, sandbox: Sandbox, rest_s: float = REST_S) -> None:
        self.name = name
        self.sandbox = sandbox
        self._rest_s = rest_s

    async def start(self) -> None:
        await self.sandbox.start()

    async def session(self, record: Record) -> None:
        await asyncio.sleep(self._rest_s)
        with record.timed(self.name, SESSION):
            async with self.sandbox.session(public_dir=None, limits=SandboxLimits()) as session:
                for cell in CELLS:
                    result = await session.run(cell, DEADLINE_S)
                    if result.status is not CellStatus.OK:
                        raise RuntimeError(f"{self.name}: {result.status}: {result.stderr}")
        await asyncio.sleep(self._rest_s)
        began = asyncio.get_running_loop().time()
        async with self.sandbox.session(public_dir=None, limits=SandboxLimits()) as session:
            await session.run(TRIVIAL, DEADLINE_S)
            record.add(self.name, START, asyncio.get_running_loop().time() - began)
            for cell in CELLS:
                await session.run(cell, DEADLINE_S)
            for what, cell in ((TRIVIAL_ROW, TRIVIAL), (LOGREG_ROW, LOGREG)):
                for _ in range(STEPS):
                    with record.timed(self.name, what):
                        await session.run(cell, DEADLINE_S)
            began = asyncio.get_running_loop().time()
        record.add(self.name, END, asyncio.get_running_loop().time() - began)

    async def close(self) -> None:
        await self.sandbox.close()


class ColdKernel:
    """A Jupyter kernel for each session, started by jupyter_client in the usual way and without walls."""

    name = "jupyter_client, cold kernel"
    is_slow = True

    async def start(self) -> None:
        from jupyter_client.manager import AsyncKernelManager

        self._manager_type = AsyncKernelManager
        self._folder = tempfile.TemporaryDirectory()

    async def session(self, record: Record) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        manager = self._manager_type(kernel_name="python3")
        await manager.start_kernel(cwd=self._folder.name)
        client = manager.client()
        try:
            client.start_channels()
            await client.wait_for_ready(timeout=DEADLINE_S)
            for number, cell in enumerate(CELLS):
                reply = await client.execute_interactive(cell, timeout=DEADLINE_S, output_hook=_ignore)
                if reply["content"]["status"] != "ok":
                    raise RuntimeError(f"{self.name}: {reply['content']}")
                if number == 0:
                    record.add(self.name, START, loop.time() - began)
                elif number == 1:
                    # What "usable" means for work on data: the libraries are there.
                    record.add(self.name, "start to imported", loop.time() - began)
            for _ in range(STEPS):
                with record.timed(self.name, TRIVIAL_ROW):
                    await client.execute_interactive(TRIVIAL, timeout=DEADLINE_S, output_hook=_ignore)
        finally:
            ending = loop.time()
            client.stop_channels()
            await manager.shutdown_kernel(now=True)
        record.add(self.name, END, loop.time() - ending)
        record.add(self.name, SESSION, loop.time() - began)

    async def close(self) -> None:
        self._folder.cleanup()


class Scripts:
    """A fresh interpreter for each step, which runs again all that came before it; without walls."""

    name = "subprocess per step"
    is_slow = True

    async def start(self) -> None:
        self._folder = tempfile.TemporaryDirectory()

    async def session(self, record: Record) -> None:
        with record.timed(self.name, SESSION):
            for number, script in enumerate(scripts(CELLS)):
                path = Path(self._folder.name, "step.py")
                path.write_text(script, encoding="utf-8")
                with record.timed(self.name, {0: TRIVIAL_ROW, 2: LOGREG_ROW}.get(number, "other steps")):
                    process = await asyncio.create_subprocess_exec(
                        sys.executable, str(path), cwd=self._folder.name, stdout=asyncio.subprocess.PIPE
                    )
                    await process.communicate()
                if process.returncode:
                    raise RuntimeError(f"{self.name}: step {number} failed")

    async def close(self) -> None:
        self._folder.cleanup()


def _ignore(_: object) -> None:
    """Output is not what is measured."""
