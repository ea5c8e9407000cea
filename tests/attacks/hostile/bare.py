"""No sandbox at all: an interpreter of the host's own user that runs agent code by `exec`, and a trusting host.

It stands for what is commonly done, and shows that an attack on what the host itself does (reading answers,
capping output, copying files) works where nobody defends. Never more than an attack's own size is let loose in it.
"""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sandmle.core.types.sandbox import CellResult, CellStatus, FetchedFiles, FetchRefusal, SandboxLimits

HOST = """
import json, os, sys, traceback
def serve(answers):
    api_key = os.environ["API_KEY"]
    for line in sys.stdin:
        try:
            exec(compile(json.loads(line), "<cell>", "exec"), {"__name__": "__main__"})
            verdict = "ok"
        except BaseException:
            traceback.print_exc(file=sys.stdout)
            verdict = "error"
        print("\\nRESULT " + verdict, flush=True)
serve([os.environ["API_KEY"]])
"""
READ_S = 1.5
"""How long this host waits for a file; one that never ends is the attack's success."""
READ_BYTES = 64 << 20


class HungError(Exception):
    """The host would wait for ever."""


class BareSession:
    """What a `SandboxSession` promises, kept by nobody."""

    def __init__(self, process: asyncio.subprocess.Process, work: Path) -> None:
        self._process = process
        self._work = work
        self._dead = False

    async def run(self, code: str, timeout_s: float) -> CellResult:
        if self._dead:
            return CellResult(status=CellStatus.DIED, stdout="", stderr="", wall_s=0.0)
        self._process.stdin.write(json.dumps(code).encode() + b"\n")
        lines: list[bytes] = []
        try:
            async with asyncio.timeout(timeout_s):
                while (line := await self._process.stdout.readline()) and not line.startswith(b"RESULT "):
                    lines.append(line)
        except TimeoutError:
            # The program is killed, and then all that it wrote is read, as `subprocess.run` does it.
            self._process.kill()
            self._dead = True
            lines.append(await self._process.stdout.read())
            return self._result(CellStatus.TIMEOUT, lines)
        if not line:
            self._dead = True
            return self._result(CellStatus.DIED, lines)
        return self._result(CellStatus.OK if line.strip() == b"RESULT ok" else CellStatus.ERROR, lines)

    def _result(self, status: CellStatus, lines: list[bytes]) -> CellResult:
        return CellResult(status=status, stdout=b"".join(lines).decode("utf-8", "replace"), stderr="", wall_s=0.0)

    async def fetch(self, path: str, max_bytes: int) -> FetchedFiles | FetchRefusal:
        try:
            async with asyncio.timeout(READ_S):
                process = await asyncio.create_subprocess_exec(
                    "head", "-c", str(READ_BYTES), "--", str(self._work / path),
                    stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
                )  # fmt: skip
                data, _ = await process.communicate()
        except TimeoutError:
            process.kill()
            await process.wait()
            raise HungError(path) from None
        if process.returncode:
            return FetchRefusal(path=path, reason="could not be read")
        return FetchedFiles(files={path: data})

    async def fetch_tree(self, path: str, max_bytes: int, max_files: int) -> FetchedFiles | FetchRefusal:
        found = [one for one in (self._work / path).rglob("*") if one.is_file()]
        return FetchedFiles(files={str(one.relative_to(self._work)): one.read_bytes() for one in found})

    async def end(self) -> None:
        self._dead = True
        if self._process.returncode is None:
            self._process.kill()


class BareSandbox:
    """Opens sessions in an interpreter that is shared by all of them."""

    name = "bare"
    level = "none"

    def __init__(self, secret: str = "") -> None:
        self.secret = secret
        self._shared: BareSession | None = None

    @asynccontextmanager
    async def session(self, *, public_dir: Path, limits: SandboxLimits) -> AsyncIterator[BareSession]:
        if self._shared is not None:
            yield self._shared
            return
        work = Path(tempfile.mkdtemp(prefix="attacker-"))
        (work / "data").symlink_to(public_dir)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", HOST, cwd=work, start_new_session=True, limit=READ_BYTES,
            env={**os.environ, "API_KEY": self.secret},
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        self._shared = BareSession(process, work)
        try:
            await self._shared.run("pass", 60.0)
            yield self._shared
        finally:
            self._shared = None
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
            shutil.rmtree(work, ignore_errors=True)
