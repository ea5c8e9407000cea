"""The peer's code as a process: its checkout on the path, its own interpreter, one request at a time.

The process is started when it is first needed and again when it is lost; it sees no secret of our environment.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from sandmle.core.errors import GraderError, TaskError

_BOOT: Final = (
    "import runpy, sys; loop, worker, memory = sys.argv[1:]; "
    "runpy.run_path(loop)['serve'](runpy.run_path(worker)['HANDLERS'], int(memory))"
)
_LOOP: Final = Path(__file__).with_name("loop.py")
_KEPT: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "XDG_CACHE_HOME")
_SINGLE_THREADED: Final = {
    name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
}
_LINE_BYTES: Final = 64 * 2**20
"""A description may be long; a reply beyond this is no reply."""
_LAST_WORDS: Final = 800
CLOSE_S: Final = 5.0


class PeerLostError(Exception):
    """The process died, or did not answer in time."""


class PeerFailedError(Exception):
    """The peer's code raised; `str(error)` holds its type and message."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerPlace:
    """Where the peer's code lies and how it is run."""

    worker: Path
    """Our file with `HANDLERS`, run in the peer's interpreter."""
    python: str
    """That interpreter; empty for the one that runs us."""
    path: tuple[Path, ...]
    """Folders for its module search: the checkout first."""
    memory_mb: int = 0
    """Address space of the process, MiB; 0 sets no limit."""
    variables: tuple[str, ...] = ()
    """Names of further environment variables that it is given."""


class PeerProcess:
    """One process that answers in the order it is asked."""

    def __init__(self, place: PeerPlace) -> None:
        """Nothing is started before the first request."""
        self._place = place
        self._process: asyncio.subprocess.Process | None = None
        self._messages: IO[bytes] | None = None
        self._scratch: tempfile.TemporaryDirectory[str] | None = None
        self._turn = asyncio.Lock()

    async def ask(self, op: str, *, deadline_s: float, **arguments: Any) -> Any:
        """The result of an operation.

        Raises:
            PeerFailedError: the peer's code raised.
            PeerLostError: the process died or missed the deadline; the next request starts another.
            GraderError: it cannot be started.
        """
        line = json.dumps({"op": op, **arguments}, default=str).encode() + b"\n"
        async with self._turn:
            reply = await self._exchange(line, deadline_s)
        if "error" in reply:
            raise PeerFailedError(reply["error"]["type"], reply["error"]["message"])
        return reply["result"]

    async def close(self) -> None:
        """End the process. Idempotent."""
        async with self._turn:
            await self._end()

    async def _exchange(self, line: bytes, deadline_s: float) -> Mapping[str, Any]:
        answered = False
        try:
            async with asyncio.timeout(deadline_s):
                process = self._process or await self._start()
                assert process.stdin is not None
                assert process.stdout is not None
                process.stdin.write(line)
                await process.stdin.drain()
                reply = await process.stdout.readline()
            if not reply.endswith(b"\n"):
                raise PeerLostError(f"the benchmark's process died{self._last_words()}")
            answered = True
            found: Mapping[str, Any] = json.loads(reply)
            return found
        except TimeoutError as problem:
            raise PeerLostError(f"the benchmark's process gave no answer within {deadline_s:g} s") from problem
        except (ConnectionError, ValueError) as problem:
            raise PeerLostError(f"the benchmark's process died{self._last_words()}") from problem
        finally:
            # After a cancellation, too: a reply that nobody has read would answer the next request.
            if not answered:
                await asyncio.shield(self._end())

    async def _start(self) -> asyncio.subprocess.Process:
        place = self._place
        # Closed in _end: they live as long as the process that writes to them. Its working directory is its own,
        # since importing MLE-bench leaves a cache where it stands.
        self._messages = tempfile.TemporaryFile()  # noqa: SIM115
        self._scratch = tempfile.TemporaryDirectory(prefix="sandmle-peer-")
        words = _words(place)
        try:
            self._process = await asyncio.create_subprocess_exec(
                *words,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=self._messages,
                cwd=self._scratch.name,
                env=_environment(place),
                limit=_LINE_BYTES,
                start_new_session=True,
            )
        except OSError as problem:
            raise GraderError(f"cannot start the benchmark's interpreter {words[0]}: {problem.strerror}") from problem
        return self._process

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            if process.stdin is not None:
                process.stdin.close()
            try:
                async with asyncio.timeout(CLOSE_S):
                    await process.wait()
            except TimeoutError:
                # With whatever its libraries started.
                os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        if self._messages is not None:
            self._messages.close()
            self._messages = None
        if self._scratch is not None:
            self._scratch.cleanup()
            self._scratch = None

    def _last_words(self) -> str:
        if self._messages is None:
            return ""
        size = self._messages.seek(0, os.SEEK_END)
        self._messages.seek(max(0, size - _LAST_WORDS))
        said = self._messages.read().decode("utf-8", "replace").strip()
        return f"; it said: {said}" if said else ""


def _words(place: PeerPlace) -> list[str]:
    python = place.python or sys.executable
    # The process has a working directory of its own, from which a relative path would lead elsewhere.
    interpreter = str(Path(python).absolute()) if os.sep in python else python
    return [interpreter, "-c", _BOOT, str(_LOOP), str(place.worker), str(place.memory_mb)]


def _environment(place: PeerPlace) -> dict[str, str]:
    kept = {name: os.environ[name] for name in (*_KEPT, *place.variables) if name in os.environ}
    # What a user put on the module search path may be what the peer needs; the checkout comes first.
    path = [*map(str, place.path), *filter(None, [os.environ.get("PYTHONPATH", "")])]
    # MLE-Dojo's environment runs agent code by `python3`, as the path finds it: that must be the same interpreter.
    interpreter = _words(place)[0]
    beside = [str(Path(interpreter).absolute().parent)] if os.sep in interpreter else []
    kept["PATH"] = os.pathsep.join([*beside, kept.get("PATH", os.defpath)])
    return {**kept, **_SINGLE_THREADED, "PYTHONPATH": os.pathsep.join(path), "PYTHONDONTWRITEBYTECODE": "1"}


def ask_all(
    place: PeerPlace, requests: Sequence[Mapping[str, Any]], deadline_s: float | None
) -> list[Mapping[str, Any]]:
    """Ask a process of its own, which ends with the last reply, and wait for it.

    Args:
        place: what is run.
        requests: each with its `op` and arguments.
        deadline_s: seconds for all of them together; None waits as long as it takes.

    Returns:
        For each request `{"result": ...}` or `{"error": {type, message}}`; an error, too, for those that a process
        which died or was stopped no longer answered.

    Raises:
        TaskError: the interpreter cannot be started.
    """
    lines = "".join(json.dumps(dict(one), default=str) + "\n" for one in requests)
    with tempfile.TemporaryDirectory(prefix="sandmle-peer-") as scratch:
        try:
            done = subprocess.run(
                _words(place),
                input=lines.encode(),
                capture_output=True,
                cwd=scratch,
                env=_environment(place),
                timeout=deadline_s,
                check=False,
            )
            printed, said = done.stdout, done.stderr
            lost = f"the benchmark's process died (exit status {done.returncode})"
        except subprocess.TimeoutExpired as problem:
            printed, said = problem.stdout or b"", problem.stderr or b""
            lost = f"the benchmark's process was stopped after {deadline_s:g} s"
        except OSError as problem:
            raise TaskError(
                f"cannot start the benchmark's interpreter {_words(place)[0]}: {problem.strerror}"
            ) from problem
    replies = [json.loads(line) for line in printed.splitlines(keepends=True) if line.endswith(b"\n")]
    words = said[-_LAST_WORDS:].decode("utf-8", "replace").strip()
    message = f"{lost}; it said: {words}" if words else lost
    return [*replies, *({"error": {"type": "PeerLost", "message": message}} for _ in requests[len(replies) :])]
