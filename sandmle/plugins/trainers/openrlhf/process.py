"""The driver process: started in a session of its own, read line by line, and ended with whatever it started."""

import asyncio
import os
import signal
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from sandmle.core.errors import StoreError, boundary

TAIL_LINES: Final = 20
"""Of the log, in the message about a driver that failed."""
PATIENCE_S: Final = {signal.SIGINT: 60.0, signal.SIGTERM: 20.0, signal.SIGKILL: 20.0}
"""How long each signal may take. Ray ends its workers on the first."""
LINGER_S: Final = 5.0
"""What the driver started may go on so long after it, to end by itself."""
POLL_S: Final = 0.05
LONGEST_LINE: Final = 1 << 20


class Driver:
    """One running driver. Its output goes to a log file as it comes."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self._log = log
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)

    async def lines(self) -> AsyncIterator[str]:
        """Every line it prints, until it ends.

        Raises:
            StoreError: the log cannot be written.
        """
        if self._process.stdout is None:
            raise ValueError("the driver was started without a pipe")
        with boundary(StoreError, f"cannot write {self._log}"), self._log.open("ab") as log:
            async for raw in _split(self._process.stdout):
                log.write(raw + b"\n")
                log.flush()
                line = raw.decode("utf-8", "replace")
                self.tail.append(line)
                yield line

    async def wait(self) -> int:
        """Its exit status; negative for a signal."""
        # asyncio's own wait() also waits for the pipe, which what the driver started may keep open.
        while self._process.returncode is None:
            await asyncio.sleep(POLL_S)
        return self._process.returncode

    async def reap(self) -> None:
        """Once the driver itself has ended, end what it left behind: its pipe would stay open, and be read for ever."""
        await self.wait()
        await asyncio.sleep(LINGER_S)
        self._signal(signal.SIGKILL)

    async def stop(self) -> None:
        """End it gently, then not; nothing of its process group is left. Idempotent."""
        for number, patience_s in PATIENCE_S.items():
            if self._process.returncode is not None:
                break
            self._signal(number)
            with suppress(TimeoutError):
                async with asyncio.timeout(patience_s):
                    await self.wait()
        # The leader may be gone and leave others behind.
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


@asynccontextmanager
async def open_driver(command: Sequence[str], environment: Mapping[str, str], log: Path) -> AsyncIterator[Driver]:
    """Start a driver; it does not outlive the block.

    Raises:
        StoreError: it cannot be started.
    """
    with boundary(StoreError, f"cannot start {command[0]}"):
        process = await asyncio.create_subprocess_exec(
            *command,
            env=dict(environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
    driver = Driver(process, log)
    reaping = asyncio.create_task(driver.reap())
    try:
        yield driver
    finally:
        reaping.cancel()
        await asyncio.shield(driver.stop())


async def _split(stream: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Lines by both line ends, since progress bars return the carriage; what has no end is cut."""
    rest = b""
    while chunk := await stream.read(65_536):
        *lines, rest = (rest + chunk).replace(b"\r", b"\n").split(b"\n")
        if len(rest) > LONGEST_LINE:
            lines, rest = [*lines, rest], b""
        for line in lines:
            if line.strip():
                yield line
    if rest.strip():
        yield rest
