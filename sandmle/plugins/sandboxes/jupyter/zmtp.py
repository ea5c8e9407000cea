"""The host's end of a kernel's socket: ZMTP 3.0 over a UNIX stream, with a limit on everything.

A kernel's sockets are in the hands of agent code, and libzmq puts no bound on the number of frames
in one message, so one endless message from the kernel could fill the host's memory. This reader is
a page long, holds at most `QUEUE_MESSAGES + 1` messages of at most `max_bytes` each, and reads no further
until they are taken. It speaks only what a client of a kernel needs: the NULL mechanism, no heartbeats.
Protocol: https://rfc.zeromq.org/spec/23/ (ZMTP 3.0).
"""

import asyncio
import contextlib
import struct
from collections.abc import Sequence
from typing import Final

QUEUE_MESSAGES: Final = 4
"""Messages read ahead; the kernel's sending stalls once they are there."""
MAX_FRAMES: Final = 64
"""Frames in one message. The messages of a kernel have about seven."""
_MAX_COMMAND_BYTES: Final = 4096
_FRAME_COST: Final = 64
_FIRST_BYTES: Final = 1024 * 1024
"""Taken before the first call of `allow`."""

_GREETING: Final = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
_MORE, _LONG, _COMMAND = 1, 2, 4


class PeerError(Exception):
    """The kernel's end broke the protocol, was too loud or went away; always the agent's doing or its death."""


class ZmtpSocket:
    """One connected socket with the few methods of `zmq.asyncio.Socket` that jupyter_client calls.

    Open it with `connect`. What arrives is untrusted.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, max_bytes: int) -> None:
        self._reader = reader
        self._writer = writer
        self._max_bytes = max_bytes
        self._messages: asyncio.Queue[list[bytes] | PeerError] = asyncio.Queue(QUEUE_MESSAGES)
        self._pump: asyncio.Task[None] | None = None
        self._allowed = _FIRST_BYTES

    @classmethod
    async def connect(cls, path: str, kind: str, *, identity: bytes = b"", max_bytes: int) -> "ZmtpSocket":
        """Connect to the socket at `path` as a `kind` ("DEALER" or "SUB", which then subscribes to all).

        Raises:
            OSError: nobody listens there.
            PeerError: the other end does not speak ZMTP 3 without a password.
        """
        reader, writer = await asyncio.open_unix_connection(path)
        socket = cls(reader, writer, max_bytes)
        try:
            await socket._shake_hands(kind, identity)
        except (PeerError, OSError, asyncio.CancelledError):
            writer.close()
            raise
        socket._pump = asyncio.create_task(socket._read_all())
        return socket

    def send_multipart(self, parts: Sequence[bytes], copy: bool = True, track: bool = False) -> None:
        """Send one message; it is buffered, so this neither waits nor fails when the kernel is dead."""
        last = len(parts) - 1
        for index, part in enumerate(parts):
            self._writer.write(_frame(bytes(part), _MORE if index < last else 0))

    def allow(self, total: int) -> None:
        """Take `total` bytes from now on before the connection is given up, each frame counted as 64 more."""
        self._allowed = total

    async def recv_multipart(self) -> list[bytes]:
        """The next message; may be cancelled without harm.

        Raises:
            PeerError: there will be no further message.
        """
        message = await self._messages.get()
        if isinstance(message, PeerError):
            # Whoever asks again is told again.
            self._messages.put_nowait(message)
            raise message
        return message

    def close(self, linger: int | None = None) -> None:
        """Drop the connection; unsent and unread bytes are lost, and whoever waits for a message is told."""
        if self._pump is not None:
            self._pump.cancel()
        self._writer.transport.abort()
        while not self._messages.empty():
            self._messages.get_nowait()
        self._messages.put_nowait(PeerError("the connection was closed"))

    async def _shake_hands(self, kind: str, identity: bytes) -> None:
        ready = b"\x05READY" + _property(b"Socket-Type", kind.encode())
        if kind == "DEALER":
            ready += _property(b"Identity", identity)
        self._writer.write(_GREETING)
        with _as_peer_error():
            greeting = await self._reader.readexactly(len(_GREETING))
            if greeting[0] != 0xFF or greeting[10] < 3 or greeting[12:32].rstrip(b"\0") != b"NULL":
                raise PeerError("the kernel's socket does not speak ZMTP 3 with the NULL mechanism")
            self._writer.write(_frame(ready, _COMMAND))
            flags, body = await self._read_frame(_MAX_COMMAND_BYTES)
            if not flags & _COMMAND or not body.startswith(b"\x05READY"):
                raise PeerError("the kernel's socket did not say READY")
        if kind == "SUB":
            self._writer.write(_frame(b"\x01", 0))

    async def _read_all(self) -> None:
        try:
            while True:
                await self._messages.put(await self._read_message())
        except PeerError as problem:
            await self._messages.put(problem)

    async def _read_message(self) -> list[bytes]:
        parts: list[bytes] = []
        room = self._max_bytes
        while True:
            with _as_peer_error():
                flags, body = await self._read_frame(room)
            self._allowed -= len(body) + _FRAME_COST
            if self._allowed < 0:
                raise PeerError("the kernel sent more than one cell may")
            if flags & _COMMAND:
                continue
            parts.append(body)
            room -= len(body)
            if not flags & _MORE:
                return parts
            if len(parts) >= MAX_FRAMES:
                raise PeerError(f"the kernel sent a message of more than {MAX_FRAMES} frames")

    async def _read_frame(self, room: int) -> tuple[int, bytes]:
        flags = (await self._reader.readexactly(1))[0]
        long = bool(flags & _LONG)
        size = int.from_bytes(await self._reader.readexactly(8 if long else 1), "big")
        if size > (_MAX_COMMAND_BYTES if flags & _COMMAND else room):
            raise PeerError(f"the kernel sent a message of more than {self._max_bytes} bytes")
        return flags, await self._reader.readexactly(size)


class _as_peer_error(contextlib.AbstractContextManager[None]):  # noqa: N801 - reads as a statement
    def __exit__(self, kind: object, problem: BaseException | None, trace: object) -> None:
        if isinstance(problem, asyncio.IncompleteReadError | OSError):
            raise PeerError("the kernel closed its socket") from problem


def _frame(body: bytes, flags: int) -> bytes:
    if len(body) < 256:
        return struct.pack(">BB", flags, len(body)) + body
    return struct.pack(">BQ", flags | _LONG, len(body)) + body


def _property(name: bytes, value: bytes) -> bytes:
    return bytes([len(name)]) + name + struct.pack(">I", len(value)) + value
