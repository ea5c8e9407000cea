"""Our scaffolds as agents inside MLE-Dojo's own `KaggleEnvironment`: a sandbox whose every cell is a step of it.

A cell becomes `validate_code`. MLE-Dojo runs whole programs, so the program is every earlier cell that ended well,
silently, and then this one. Having a submission looked at becomes `execute_code` of the program so far, for which the
environment gives its reward; the file that it archives is what is graded. So its history holds what any agent of
MLE-Dojo's would leave there.

MLE-Dojo's sandbox keeps nothing from the agent's code, the labels included, and the level says so: what is scored here
is no evidence.
"""

import asyncio
import json
import math
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, Final

from sandmle.core.errors import SandboxError
from sandmle.core.types.sandbox import (
    CellResult,
    CellStatus,
    FetchedFiles,
    FetchRefusal,
    IsolationLevel,
    SandboxLimits,
)
from sandmle.plugins.benchmarks.peers.process import PeerFailedError, PeerLostError, PeerPlace, PeerProcess

OPEN_S: Final = 300.0
GRACE_S: Final = 60.0
"""What a step may take beyond the time of the code: the environment's own deadline ends the code."""
EXECUTE_S: Final = 3600
"""Deadline of the program that writes the submission: it repeats every cell, each of which had its own."""
_TIMED_OUT: Final = "timed out after"
_PROGRAM: Final = """\
import contextlib, io, os
os.chdir({output!r})
if not os.path.lexists("data"):
    os.symlink({public!r}, "data")
with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
    for _cell in {earlier}:
        exec(compile(_cell, "<earlier cell>", "exec"), globals())
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """How the environment is reached."""

    place: PeerPlace
    arguments: Mapping[str, Any]
    """Of opening an environment, but for the competition."""


class DojoSandbox:
    """Opens an environment for each session, in a process of MLE-Dojo's own; implements `contracts.sandbox.Sandbox`."""

    name = "mledojo"
    level = IsolationLevel.L0

    def __init__(self, door: Door) -> None:
        """Nothing is started before the first session."""
        self._door = door

    async def start(self) -> None:
        """Nothing to start: each session has a process of its own."""

    def session(self, *, public_dir: Path | None, limits: SandboxLimits) -> AbstractAsyncContextManager["DojoSession"]:
        """Open an environment on the competition whose public files these are. MLE-Dojo sets no limits by itself.

        Raises:
            SandboxError: these are not the public files of a competition, or the environment cannot be opened.
        """
        return self._session(public_dir, limits)

    async def check_health(self) -> None:
        """See that MLE-Dojo's environment can be imported.

        Raises:
            SandboxError: it cannot.
        """
        process = PeerProcess(self._door.place)
        try:
            missing = await process.ask("check", deadline_s=OPEN_S, packages=["mledojo.gym.env"])
        except PeerLostError as problem:
            raise SandboxError(f"MLE-Dojo's environment: {problem}") from problem
        finally:
            await process.close()
        if missing:
            raise SandboxError(f"MLE-Dojo's environment cannot be imported: {missing['mledojo.gym.env']}")

    async def close(self) -> None:
        """Nothing is left open: sessions end their own processes."""

    @asynccontextmanager
    async def _session(self, public_dir: Path | None, limits: SandboxLimits) -> AsyncIterator["DojoSession"]:
        if public_dir is None:
            raise SandboxError("MLE-Dojo's environment is always one of a competition; this session names none")
        public = public_dir.resolve()
        # <data>/<competition>/data/public
        words = {**self._door.arguments, "competition_id": public.parent.parent.name}
        process = PeerProcess(self._door.place)
        try:
            output = await process.ask("open_environment", deadline_s=OPEN_S, **words)
            yield DojoSession(process, Path(output), public, limits)
        except (PeerFailedError, PeerLostError) as problem:
            raise SandboxError(f"MLE-Dojo's environment cannot be opened: {problem}") from problem
        finally:
            await process.close()


class DojoSession:
    """One environment; implements `contracts.sandbox.SandboxSession`."""

    fetch_deadline_s = EXECUTE_S + 2 * GRACE_S
    """The submission comes of a whole program."""

    def __init__(self, process: PeerProcess, output: Path, public: Path, limits: SandboxLimits) -> None:
        """The environment is open."""
        self._process = process
        self._output = output
        self._public = public
        self._kept = limits.output_chars
        self._cells: list[str] = []
        self._executed: int | None = None
        """How many cells the last executed program had."""
        self._submission: Path | None = None
        self._is_dead = False
        self._turn = asyncio.Lock()

    async def run(self, code: str, timeout_s: float) -> CellResult:
        """Validate the program that this cell ends; see the contract.

        Raises:
            SandboxError: the environment failed.
        """
        if self._is_dead:
            return CellResult(status=CellStatus.DIED, stdout="", stderr="the session is dead", wall_s=0.0)
        began = monotonic()
        said = await self._step("validate_code", self._program(code), timeout_s)
        wall_s = monotonic() - began
        text = _cut(str(said["feedback"]), self._kept)
        if said["status"] == "SUCCESS":
            self._cells.append(code)
            return CellResult(status=CellStatus.OK, stdout=text, stderr="", wall_s=wall_s)
        if _TIMED_OUT in text:
            self._is_dead = True
            return CellResult(status=CellStatus.TIMEOUT, stdout="", stderr=text, wall_s=wall_s)
        return CellResult(status=CellStatus.ERROR, stdout="", stderr=text, wall_s=wall_s)

    async def fetch(self, path: str, max_bytes: int) -> FetchedFiles | FetchRefusal:
        """The submission that the program so far writes: executed, unless nothing ran since it last was.

        Raises:
            SandboxError: the environment failed.
        """
        if path != "submission.csv":
            return FetchRefusal(path=path, reason="is not handed over: MLE-Dojo archives submission.csv alone")
        if self._cells and self._executed != len(self._cells):
            said = await self._step("execute_code", self._program(None), EXECUTE_S)
            self._executed = len(self._cells)
            self._submission = Path(said["submission"]) if said["submission"] else None
        if self._submission is None:
            return FetchRefusal(path=path, reason="does not exist")
        content = await asyncio.to_thread(self._submission.read_bytes)
        if len(content) > max_bytes:
            return FetchRefusal(path=path, reason=f"is larger than {max_bytes} bytes")
        return FetchedFiles(files={path: content})

    async def fetch_tree(self, path: str, max_bytes: int, max_files: int) -> FetchedFiles | FetchRefusal:
        """Nothing but the submission is handed over."""
        return FetchRefusal(path=path, reason="is not handed over: MLE-Dojo archives submission.csv alone")

    async def end(self) -> None:
        """No more cells. The environment stays, since what the program submits is only known once it is executed."""
        self._is_dead = True

    def _program(self, code: str | None) -> str:
        earlier = json.dumps(self._cells, ensure_ascii=True)
        opening = _PROGRAM.format(output=str(self._output), public=str(self._public), earlier=earlier)
        return opening + (code or "")

    async def _step(self, action: str, code: str, timeout_s: float) -> Mapping[str, Any]:
        granted = max(1, math.ceil(timeout_s))
        async with self._turn:
            try:
                said: Mapping[str, Any] = await self._process.ask(
                    "step", deadline_s=granted + GRACE_S, action=action, code=code, timeout_s=granted
                )
            except (PeerFailedError, PeerLostError) as problem:
                raise SandboxError(f"MLE-Dojo's environment failed at {action}: {problem}") from problem
        return said


def _cut(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]}\n... ({len(text) - 2 * half} characters left out) ...\n{text[-half:]}"
