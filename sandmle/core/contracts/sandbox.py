"""Where untrusted code runs. A broken sandbox is an exception, a failing command is data."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol, runtime_checkable

from sandmle.core.types.sandbox import (
    CellOutput,
    CellResult,
    FetchedFiles,
    FetchRefusal,
    IsolationLevel,
    SandboxLimits,
)

DATA_DIR = "data"
"""Where agent code finds the public files, relative to its working directory, in every backend."""


class SandboxSession(Protocol):
    """One interpreter with state kept between cells, and one scratch work directory.

    Its working directory is empty but for `data/`, the task's public files, read-only (absent when
    the session was opened without them).
    """

    async def run(self, code: str, timeout_s: float) -> CellResult:
        """Run `code` as one cell. Names defined by earlier cells are still there.

        After a `timeout` or `died` result the session is dead: every later call gives `died` at once.

        Raises:
            SandboxError: the machinery failed; what the code did never raises.
        """
        ...

    async def fetch(self, path: str, max_bytes: int) -> FetchedFiles | FetchRefusal:
        """Copy one regular file out of the work directory, links never followed.

        Works on a living and on a dead session. `path` is relative; the result has that one key. A session that may
        take longer than a minute for it has an attribute `fetch_deadline_s`.

        Raises:
            SandboxError: the machinery failed.
        """
        ...

    async def fetch_tree(self, path: str, max_bytes: int, max_files: int) -> FetchedFiles | FetchRefusal:
        """Copy every regular file under the directory `path`; keys are relative to the work directory.

        One file that may not be handed over, or more than `max_bytes` in all, refuses the whole.

        Raises:
            SandboxError: the machinery failed.
        """
        ...

    async def end(self) -> None:
        """Kill everything the session runs and keep its files for `fetch`. May be called twice."""
        ...


@runtime_checkable
class WatchableSession(Protocol):
    """A session whose running cell can be looked at. Optional: cells that take hours need it, others do not."""

    async def output_so_far(self) -> CellOutput:
        """What the running cell has written, or the last one if none runs; nothing before the first.

        May be called at any time inside the session's block, also while `run` waits and after a death. What is
        still in the buffers of the code itself is not seen.
        """
        ...


@runtime_checkable
class Sandbox(Protocol):
    """A backend that opens sessions. Start it once, open many sessions, close it once."""

    @property
    def name(self) -> str:
        """The backend's registered name."""
        ...

    @property
    def level(self) -> IsolationLevel:
        """The level the start-up probes showed; known after `start`."""
        ...

    async def start(self) -> None:
        """Get ready: launch, preload, probe. Called once, before the first session.

        Raises:
            SandboxError: it cannot run here, or the level is too weak and was not allowed by name.
        """
        ...

    def session(self, *, public_dir: Path | None, limits: SandboxLimits) -> AbstractAsyncContextManager[SandboxSession]:
        """Open a session that sees `public_dir` read-only as `data/`; leaving the block ends it.

        Nothing else of the host's files that is not the interpreter is readable inside; no network;
        no variable of the parent's environment.

        Raises:
            SandboxError: on entering, when no session can be had.
        """
        ...

    async def check_health(self) -> None:
        """Run an agent-free canary through the same machinery a session uses.

        This decides whether a `died` result was the agent's act: if the canary passes, it was.

        Raises:
            SandboxError: the canary failed; the machinery is at fault. The backend has been restarted
                or says that it cannot be.
        """
        ...

    async def close(self) -> None:
        """End every session and process. Idempotent; shielded from cancellation by the caller."""
        ...
