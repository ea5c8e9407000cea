"""The host's side of one zygote: start it, ask it for sessions, notice its end."""

import asyncio
import contextlib
import os
import signal
import socket
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Final, Protocol

from sandmle.core.engine.signal_names import signal_name
from sandmle.core.errors import SandboxError
from sandmle.core.types.sandbox import SandboxLimits
from sandmle.plugins.sandboxes.isolation.cgroup import Cgroups
from sandmle.plugins.sandboxes.process import wire
from sandmle.plugins.sandboxes.process.patience import child_of, settled

_STARTS_AT_ONCE: Final = 2
"""Sessions one zygote is asked for at a time: it forks them one by one, and what else it is told waits behind them."""
UIDS_A_SESSION: Final = 8
"""Its own user id, and those after it for sessions forked ahead."""
_RETRY_S: Final = 0.005
_AT_ONCE_S: Final = 0.05
_SHOWN_BYTES: Final = 2000


@dataclass(frozen=True, slots=True)
class Ending:
    """How a session's process ended, as its zygote saw it."""

    code: int
    """Exit status, or minus the signal's number."""
    why: str
    """What the zygote ended it for; empty when it ended by itself or on request."""

    def describe(self) -> str:
        """One line for whoever reads the session's output."""
        if self.why:
            return self.why
        if self.code == -signal.SIGSYS:
            return "the process sent itself a deadly signal"
        if self.code == -signal.SIGKILL:
            return "the process was killed or closed its channel"
        if self.code < 0:
            return f"the process was ended by signal {signal_name(-self.code)}"
        return f"the process exited with status {self.code}"


class Body(Protocol):
    """What a zygote runs in: a process of this machine, or a container."""

    @property
    def pid(self) -> int:
        """The guardian's process id."""
        ...

    async def vanish(self) -> None:
        """Wait until nothing of it is left, and see to it: the pipe that kept it alive is closed."""
        ...


class ZygoteProcess:
    """One exec'd zygote. Everything it says arrives in one reader task."""

    def __init__(self, body: Body, control: socket.socket, life: int, log: IO[bytes]) -> None:
        """Take over `body`, whose zygote has the other ends of `control` and of the pipe `life` and writes to `log`."""
        self._body = body
        self._control = control
        self._life = life
        self._log = log
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._opened: dict[int, asyncio.Future[None]] = {}
        self._ended: dict[int, asyncio.Future[Ending]] = {}
        self._number = 0
        self._reader = asyncio.create_task(self._read())
        self.starting = asyncio.Semaphore(_STARTS_AT_ONCE)
        """Held while a session is forked and encloses itself, so that no request waits long behind others."""
        self.copying = asyncio.Lock()
        """Held while files are copied: threads with many short calls each slow one another to a crawl."""
        self.cgroups: Cgroups | None = None
        """Where sessions get a group of their own, if they do."""
        self.death: str | None = None
        """Why it is of no more use; None while it is."""

    async def ready(self, timeout_s: float) -> None:
        """Wait until it is warm.

        Raises:
            SandboxError: it could not enclose itself as its plan says, or did not get ready in time. It is closed then.
        """
        try:
            # A busy machine makes it late, which is no reason to give it up.
            if await self.answers(self._ready, timeout_s):
                self._ready.result()
                return
        except BaseException:
            await self.close()
            raise
        await self.close()
        raise SandboxError(f"the zygote was not ready within {timeout_s:g} s; preload less or raise start_timeout_s")

    @property
    def load(self) -> int:
        """Sessions alive in it now."""
        return len(self._ended)

    @property
    def forks(self) -> int:
        """Sessions it was asked for so far."""
        return self._number

    @property
    def pid(self) -> int:
        """The guardian's process id."""
        return self._body.pid

    async def answers(self, future: "asyncio.Future[Any]", idle_s: float) -> bool:
        """Wait for what the zygote shall do; False once it has been idle for `idle_s` without doing it."""
        # Mostly it has done it at once, and what the kernel says of it need not be read.
        await asyncio.wait({future}, timeout=min(_AT_ONCE_S, idle_s))
        return future.done() or await settled(future, pid=child_of(self.pid), idle_s=idle_s)

    async def open(
        self,
        public_dir: Path | None,
        limits: SandboxLimits,
        uid: int,
        fds: list[int],
        idle_s: float,
        *,
        fresh: bool = False,
    ) -> tuple[int, asyncio.Future[Ending]]:
        """Fork a session on the descriptors `fds` (channel, stdout, stderr); `fresh`: not one forked ahead.

        Returns:
            Its number, and a future that gets its ending, or SandboxError when the zygote is lost.

        Raises:
            SandboxError: no session can be had; the zygote is given up when it is idle for `idle_s` instead.
        """
        loop = asyncio.get_running_loop()
        self._number += 1
        number = self._number
        opened: asyncio.Future[None] = loop.create_future()
        ended: asyncio.Future[Ending] = loop.create_future()
        opened.add_done_callback(_retrieved)
        ended.add_done_callback(_retrieved)
        self._opened[number], self._ended[number] = opened, ended
        message = {
            "op": "open", "id": number, "limits": asdict(limits), "uid": uid, "fresh": fresh,
            "spare_uids": list(range(uid + 1, uid + UIDS_A_SESSION)),
            "public_dir": None if public_dir is None else str(public_dir),
        }  # fmt: skip
        try:
            await self._send(message, fds)
            if not await self.answers(opened, idle_s):
                self.give_up(f"it did not open a session within {idle_s:g} s")
            await opened
        except BaseException:
            if not ended.done():
                self.kill(number)
            raise
        finally:
            self._opened.pop(number, None)
        return number, ended

    def kill(self, number: int) -> None:
        """Ask for the end of a session; its `ended` future tells when it is so."""
        self._post({"op": "kill", "id": number})

    def forget(self, number: int) -> None:
        """Let the zygote remove what an ended session left on disk."""
        self._post({"op": "forget", "id": number})

    def give_up(self, reason: str) -> None:
        """Declare it dead and kill it with all its sessions: the guardian sees to the rest."""
        if self.death is not None:
            return
        self.death = reason
        # Its sessions hear of it through the guardian, which takes the end of this pipe as the host's.
        with contextlib.suppress(OSError):
            os.close(self._life)
        error = SandboxError(f"the zygote was lost: {reason}")
        waiting: list[asyncio.Future[Any]] = [self._ready, *self._opened.values(), *self._ended.values()]
        for future in waiting:
            if not future.done():
                future.set_exception(error)
        _retrieved(self._ready)
        self._opened.clear()
        self._ended.clear()

    async def close(self) -> None:
        """End the zygote and all its sessions, and wait until nothing of them is left."""
        self.give_up("it was closed")
        self._reader.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._reader
        await self._body.vanish()
        self._control.close()
        self._log.close()

    async def _send(self, message: dict[str, Any], fds: list[int]) -> None:
        while True:
            if self.death is not None:
                raise SandboxError(f"the zygote was lost: {self.death}")
            try:
                socket.send_fds(self._control, [wire.pack(message)], fds)
            except BlockingIOError:
                await asyncio.sleep(_RETRY_S)
            except OSError as problem:
                self.give_up(f"it does not listen any more ({problem})")
            else:
                return

    def _post(self, message: dict[str, Any]) -> None:
        if self.death is None:
            try:
                self._control.send(wire.pack(message))
            except BlockingIOError:
                asyncio.get_running_loop().call_later(_RETRY_S, self._post, message)
            except OSError as problem:
                self.give_up(f"it does not listen any more ({problem})")

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                data = await loop.sock_recv(self._control, wire.MESSAGE_BYTES)
            except OSError:
                data = b""
            if not data:
                break
            self._hear(wire.unpack(data))
        self.give_up(f"it ended unasked{self._last_words()}")

    def _hear(self, message: dict[str, Any]) -> None:
        match message["event"]:
            case "ready" if not self._ready.done():
                self._ready.set_result(None)
            case "failed":
                self.give_up(message["reason"])
            case "opened" if message["id"] in self._opened:
                opened = self._opened[message["id"]]
                if not opened.done():
                    opened.set_result(None)
            case "refused":
                self._refuse(message["id"], message["reason"])
            case "ended" if (ended := self._ended.pop(message["id"], None)) and not ended.done():
                ended.set_result(Ending(message["code"], message["why"]))

    def _refuse(self, number: int, reason: str) -> None:
        error = SandboxError(f"no session could be forked: {reason}")
        for future in (self._opened.pop(number, None), self._ended.pop(number, None)):
            if future is not None and not future.done():
                future.set_exception(error)

    def _last_words(self) -> str:
        size = os.fstat(self._log.fileno()).st_size
        text = os.pread(self._log.fileno(), _SHOWN_BYTES, max(0, size - _SHOWN_BYTES))
        return f": {text.decode('utf-8', 'replace').strip()}" if text else ""


def _retrieved(future: "asyncio.Future[Any]") -> None:
    """Mark an exception as seen: whoever needs it awaits the future, and often nobody does."""
    if future.done() and not future.cancelled():
        future.exception()
