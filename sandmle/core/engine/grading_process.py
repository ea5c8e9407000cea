"""The grading process as seen from outside: started when needed, started again when lost, ended in any case."""

import asyncio
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Final

from sandmle.core.engine.grading_wire import PREFIX, decode_frame, encode_frame
from sandmle.core.errors import GraderError, TaskError

DEADLINE_S: Final = 180.0
"""For one request, a cold start of the process included."""
CLOSE_S: Final = 5.0
N_TRIES: Final = 2
_BOOT: Final = "import sys; sys.path.append(sys.argv[1]); from sandmle.core.engine.grading_worker import main; main()"
_SINGLE_THREADED: Final = {
    name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
}


class ProcessLostError(Exception):
    """The grading process died or missed its deadline on a request, every time it was tried."""


class GradingProcess:
    """One child process that answers requests one at a time, in the order they come."""

    def __init__(self, deadline_s: float) -> None:
        """Nothing is started before the first request."""
        self._deadline_s = deadline_s
        self._process: asyncio.subprocess.Process | None = None
        self._messages: IO[bytes] | None = None
        self._turn = asyncio.Lock()

    @property
    def pid(self) -> int | None:
        """Of the process that runs now."""
        return None if self._process is None else self._process.pid

    async def close(self) -> None:
        """End the process. Idempotent."""
        async with self._turn:
            await self._end(kindly=True)

    async def ask(self, request: dict[str, Any], parts: Sequence[bytes]) -> dict[str, Any]:
        """The reply to a request, which is tried twice.

        Raises:
            TaskError: the reply says that the task cannot be used.
            GraderError: the reply says that the process failed, or it cannot be started.
            ProcessLostError: the process died or was too slow, both times.
        """
        async with self._turn:
            for last in range(N_TRIES):
                try:
                    reply = await self._exchange(encode_frame(request, parts))
                except ProcessLostError:
                    if last == N_TRIES - 1:
                        raise
                else:
                    break
        if "task_error" in reply:
            raise TaskError(reply["task_error"])
        if "grader_error" in reply:
            raise GraderError(reply["grader_error"])
        return reply

    async def _exchange(self, frame: bytes) -> dict[str, Any]:
        answered = False
        try:
            async with asyncio.timeout(self._deadline_s):
                process = self._process or await self._start()
                assert process.stdin is not None
                assert process.stdout is not None
                process.stdin.write(frame)
                await process.stdin.drain()
                header_length, body_length = PREFIX.unpack(await process.stdout.readexactly(PREFIX.size))
                text = await process.stdout.readexactly(header_length)
                body = await process.stdout.readexactly(body_length)
            answered = True
            return decode_frame(text, body)[0]
        except TimeoutError as problem:
            raise ProcessLostError(f"no answer within {self._deadline_s:g} s") from problem
        except (asyncio.IncompleteReadError, ConnectionError) as problem:
            raise ProcessLostError(f"the grading process died{self._last_words()}") from problem
        finally:
            # After a cancellation, too: a reply that nobody has read would answer the next request.
            if not answered:
                await asyncio.shield(self._end(kindly=False))

    async def _start(self) -> asyncio.subprocess.Process:
        package_parent = Path(__file__).resolve().parents[3]
        # Closed in _end: it lives as long as the process that writes its standard error to it.
        self._messages = tempfile.TemporaryFile()  # noqa: SIM115
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                "-c",
                _BOOT,
                str(package_parent),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=self._messages,
                cwd="/",
                env={"PATH": os.defpath, "LANG": "C.UTF-8", **_SINGLE_THREADED},
                start_new_session=True,
            )
        except OSError as problem:
            raise GraderError(f"cannot start the grading process: {problem}") from problem
        return self._process

    async def _end(self, *, kindly: bool) -> None:
        process, self._process = self._process, None
        messages, self._messages = self._messages, None
        if process is not None:
            assert process.stdin is not None
            process.stdin.close()
            if not kindly:
                _kill(process)
            try:
                await asyncio.wait_for(process.wait(), CLOSE_S)
            except TimeoutError:
                _kill(process)
                await process.wait()
        if messages is not None:
            messages.close()

    def _last_words(self) -> str:
        if self._messages is None:
            return ""
        self._messages.seek(0)
        lines = self._messages.read().decode(errors="replace").strip().splitlines()
        return f": {lines[-1][:300]}" if lines else ""


def _kill(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
