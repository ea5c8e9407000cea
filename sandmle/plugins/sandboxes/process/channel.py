"""The host's end of a session's channel: cells out, answers in, without a task or a registration for each."""

import asyncio
import secrets
import socket
from typing import Any, Final

from sandmle.plugins.sandboxes.process import wire
from sandmle.plugins.sandboxes.process.grouping import receive_with_sender

_FORGED_AT_MOST: Final = 1000
"""Messages that are no answer to the cell that runs, after which nothing more is believed."""


class Channel:
    """A socket that agent code holds the other end of. Whatever it sends between cells is left unread."""

    def __init__(self) -> None:
        self._socket, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.sender: int | None = None
        """Who sent the greeting: the session's process id, as it is seen from here."""
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        self._is_watched = False
        self._is_over = False

    def close(self) -> None:
        """Drop both ends."""
        if self._is_watched:
            self._loop.remove_reader(self._socket)
            self._is_watched = False
        self._socket.close()
        self.theirs.close()

    def give_up_on(self, end: "asyncio.Future[Any]") -> None:
        """Wait for nothing any more once `end` is done, even if some process still holds the other end."""
        end.add_done_callback(self._end)

    async def ask(self, code: bytes) -> bytes:
        """Have a cell run; its answer, or nothing when there will be none. May be cancelled, and is of no use then."""
        nonce = secrets.token_bytes(wire.NONCE_BYTES)
        try:
            for frame in wire.code_frames(nonce, code):
                await self._send(frame)
            for _ in range(_FORGED_AT_MOST):
                answer = await self._receive()
                if not answer:
                    break
                if len(answer) == wire.ANSWER_BYTES and answer.startswith(nonce):
                    return answer[wire.NONCE_BYTES :]
        except OSError:
            return b""
        return b""

    async def greeting(self) -> tuple[bytes, list[int]]:
        """The first message and the descriptors it carries; an empty one when the other end is closed.

        Raises:
            OSError: the connection is broken.
        """
        while True:
            try:
                data, fds, self.sender = receive_with_sender(self._socket, wire.MESSAGE_BYTES)
            except BlockingIOError:
                if self._is_over:
                    return b"", []
                await self._readable()
            else:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 0)
                return data, fds

    async def _send(self, frame: bytes) -> None:
        try:
            self._socket.send(frame)
        except BlockingIOError:
            await self._loop.sock_sendall(self._socket, frame)

    async def _receive(self) -> bytes:
        while True:
            try:
                return self._socket.recv(wire.ANSWER_BYTES + 1)
            except BlockingIOError:
                if self._is_over:
                    return b""
                await self._readable()

    async def _readable(self) -> None:
        if not self._is_watched:
            self._loop.add_reader(self._socket, self._wake)
            self._is_watched = True
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is None:
            # Nobody asked. Not looking any more costs a call with the next cell, looking on would cost all the time.
            self._loop.remove_reader(self._socket)
            self._is_watched = False
        elif not self._waiter.done():
            self._waiter.set_result(None)

    def _end(self, _: "asyncio.Future[Any]") -> None:
        self._is_over = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
