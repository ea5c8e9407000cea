"""One session: cells run on a kernel whose every message may be a lie, files taken by descriptor."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Final

from sandmle.core.contracts.sandbox import DATA_DIR
from sandmle.core.errors import SandboxError
from sandmle.core.types.sandbox import CellOutput, CellResult, CellStatus, FetchedFiles, FetchRefusal, SandboxLimits
from sandmle.plugins.sandboxes.fetch import fetch_all, fetch_file
from sandmle.plugins.sandboxes.jupyter.kernel import Kernel
from sandmle.plugins.sandboxes.jupyter.record import Record
from sandmle.plugins.sandboxes.jupyter.zmtp import PeerError

CELL_BYTES: Final = 256 * 1024 * 1024
"""What a kernel may send during one cell. The host's memory is bounded by much less; this bounds its work."""


class JupyterSession:
    """Cells on one kernel, which is someone else's to close; see `SandboxSession` for what the methods promise."""

    def __init__(self, kernel: Kernel, limits: SandboxLimits, *, has_data: bool) -> None:
        self._kernel = kernel
        self._limits = limits
        self._skip = DATA_DIR if has_data else None
        self._record = Record(limits.output_chars)
        self._turn = asyncio.Lock()
        self._death: str | None = None

    async def run(self, code: str, timeout_s: float) -> CellResult:
        """Run one cell; a deadline passed ends everything the kernel runs."""
        async with self._turn:
            if self._death is not None:
                return CellResult(status=CellStatus.DIED, stdout="", stderr=f"[{self._death}]", wall_s=0.0)
            record = self._record = Record(self._limits.output_chars)
            began = time.monotonic()
            try:
                status, why = await self._run(code, timeout_s, record)
            except asyncio.CancelledError:
                # Nobody will know what the cell went on to do, so the session ends with the wait for it.
                self._death = "the session was ended while a cell ran"
                self._kernel.kill_soon()
                raise
            wall_s = time.monotonic() - began
            if why:
                self._death = self._death or f"the session is dead: {why}"
                record.note(self._death)
            return CellResult(status=status, stdout=record.stdout(), stderr=record.stderr(), wall_s=wall_s)

    async def output_so_far(self) -> CellOutput:
        """What has arrived of the running or last cell."""
        return CellOutput(stdout=self._record.stdout(), stderr=self._record.stderr())

    async def fetch(self, path: str, max_bytes: int) -> FetchedFiles | FetchRefusal:
        """Copy one file by the descriptor of the work directory."""
        return await asyncio.to_thread(fetch_file, self._kernel.work, path, max_bytes)

    async def fetch_tree(self, path: str, max_bytes: int, max_files: int) -> FetchedFiles | FetchRefusal:
        """Copy a tree by the descriptor of the work directory; the public files are left out."""
        return await asyncio.to_thread(fetch_all, self._kernel.work, path, max_bytes, max_files, self._skip)

    @property
    def displays(self) -> tuple[Mapping[str, str], ...]:
        """Rich values and displays of the running or last cell, in order: MIME type to content.

        Only those with more than plain text, which is part of the standard output; binary types are base64. All of
        it was written by agent code: HTML may hold scripts, an image may be none.
        """
        return self._record.displays

    def interrupt(self) -> None:
        """Interrupt the running cell, as the stop button of a notebook does; the session goes on.

        Without a running cell this does nothing. Honest code ends with `KeyboardInterrupt`; code that catches it runs
        on, until its deadline.
        """
        # Between cells a kernel may take it for its own end.
        if self._turn.locked():
            self._kernel.interrupt()

    async def end(self) -> None:
        """Kill everything the kernel runs."""
        self._death = self._death or "the session was ended"
        await self._kernel.kill()

    async def _run(self, code: str, timeout_s: float, record: Record) -> tuple[CellStatus, str]:
        """How the cell ended, and why the session did if it did."""
        try:
            async with asyncio.timeout(timeout_s):
                return await self._execute(code, record), ""
        except TimeoutError:
            await self._end_kernel()
            return CellStatus.TIMEOUT, f"a cell did not end within {timeout_s:g} s"
        except PeerError as problem:
            return CellStatus.DIED, await self._end_kernel() or str(problem)

    async def _end_kernel(self) -> str:
        """Kill the kernel; how it had ended before.

        Raises:
            SandboxError: it was lost with the process that forked it.
        """
        ending = await self._kernel.kill()
        if self._kernel.is_orphan:
            self._death = self._death or "the session is dead: its kernel was lost"
            raise SandboxError("the kernel was lost: the zygote that forked it ended, or its guardian did")
        return ending

    async def _execute(self, code: str, record: Record) -> CellStatus:
        """Run `code` and read along until the kernel says that it is done.

        A message counts when it names our request as its parent. That too can be forged, by the code
        that it would be about.

        Raises:
            PeerError: the kernel is gone, or sent what no kernel sends.
        """
        client = self._kernel.client
        client.allow(CELL_BYTES)
        # Lone surrogates cannot travel; the kernel gets what an editor would have saved.
        sendable = code.encode("utf-8", "replace").decode()
        own = client.execute(sendable, allow_stdin=False, stop_on_error=False)
        while True:
            message = await client.get_iopub_msg()
            if message["parent_header"].get("msg_id") != own:
                continue
            record.take(message)
            if message["msg_type"] == "status" and message["content"].get("execution_state") == "idle":
                break
        while True:
            message = await client.get_shell_msg()
            if message["parent_header"].get("msg_id") == own and message["msg_type"] == "execute_reply":
                return _status(message["content"], record)


def _status(reply: dict[str, Any], record: Record) -> CellStatus:
    record.take_pages(reply.get("payload"))
    return CellStatus.OK if reply.get("status") == "ok" else CellStatus.ERROR
