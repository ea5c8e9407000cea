"""What host, zygote and session say to one another, over SEQPACKET sockets."""

import json
import socket
import struct
from dataclasses import dataclass
from typing import Any, Final

CONTROL_FD: Final = 3
"""A session's channel to the host."""
MESSAGE_BYTES: Final = 65_536
NONCE_BYTES: Final = 16
_HEADER: Final = struct.Struct(f"!{NONCE_BYTES}sQ")
ANSWER_BYTES: Final = NONCE_BYTES + 1
OK: Final = b"+"
FAILED: Final = b"-"
GO: Final = b"go"
"""Tells a session that waits to begin; it carries the session's channel, standard output and standard error."""
READY: Final = b"ready"
"""A session's first message; it carries a descriptor of the work directory."""


def pack(message: dict[str, Any]) -> bytes:
    """One message between host and zygote."""
    return json.dumps(message).encode()


def unpack(data: bytes) -> dict[str, Any]:
    """The reverse of `pack`; both ends are ours."""
    message: dict[str, Any] = json.loads(data)
    return message


def code_frames(nonce: bytes, code: bytes) -> list[bytes]:
    """A cell for a session: nonce, length and as much of the code as one message holds, then the rest in pieces."""
    first = MESSAGE_BYTES - _HEADER.size
    pieces = [code[at : at + MESSAGE_BYTES] for at in range(first, len(code), MESSAGE_BYTES)]
    return [_HEADER.pack(nonce, len(code)) + code[:first], *pieces]


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell as a session receives it."""

    nonce: bytes
    code: str


def receive_cell(channel: socket.socket) -> Cell | None:
    """Wait for the next cell; None when the host is gone."""
    first = channel.recv(MESSAGE_BYTES)
    if len(first) < _HEADER.size:
        return None
    nonce, size = _HEADER.unpack_from(first)
    pieces = [first[_HEADER.size :]]
    left = size - len(pieces[0])
    while left > 0:
        piece = channel.recv(MESSAGE_BYTES)
        if not piece:
            return None
        pieces.append(piece)
        left -= len(piece)
    return Cell(nonce, b"".join(pieces).decode("utf-8", "replace"))
