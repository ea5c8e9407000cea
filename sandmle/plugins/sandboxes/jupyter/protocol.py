"""jupyter_client made safe to point at a kernel that agent code owns.

Requests are built, signed and sent by jupyter_client. Replies may have been signed by the agent (it
can read the key), so they come through `ZmtpSocket` and are read by `GuardedSession.deserialize`:
sizes bounded, shapes checked, nothing in them interpreted beyond JSON.
"""

# The socket is no ZeroMQ socket, which jupyter_client's annotations do not foresee.
# mypy: disable-error-code="override,assignment,attr-defined"

import asyncio
import json
from contextlib import ExitStack
from hmac import compare_digest
from typing import Any, Final

from jupyter_client.asynchronous import AsyncKernelClient
from jupyter_client.channels import ZMQSocketChannel
from jupyter_client.session import DELIM, Session
from traitlets import Type

from sandmle.plugins.sandboxes.jupyter.wire import socket_path
from sandmle.plugins.sandboxes.jupyter.zmtp import ZmtpSocket

_GREETING_S: Final = 0.5
_FRAMES: Final = 5
"""Signature, header, parent header, metadata, content; binary buffers follow and are dropped."""


class MessageError(Exception):
    """A message that is not one of the Jupyter protocol; whoever reads skips it."""


class GuardedSession(Session):
    """A session that reads messages with suspicion."""

    def deserialize(self, msg_list: list[bytes], content: bool = True, copy: bool = True) -> dict[str, Any]:
        """Read the frames after the delimiter.

        Raises:
            MessageError: bad signature, bad JSON, or not the shape of a Jupyter message.
        """
        if len(msg_list) < _FRAMES or not compare_digest(msg_list[0], self.sign(msg_list[1:_FRAMES])):
            raise MessageError("the signature is missing or wrong")
        try:
            header, parent, metadata, body = (json.loads(frame) for frame in msg_list[1:_FRAMES])
        # Deep nesting ends in RecursionError; the rest is bad JSON, bad UTF-8 or an absurd number.
        except (ValueError, RecursionError) as problem:
            raise MessageError(f"not JSON: {problem}") from problem
        if not all(isinstance(part, dict) for part in (header, parent, metadata, body)):
            raise MessageError("a part is not an object")
        kind = header.get("msg_type")
        if not isinstance(kind, str):
            raise MessageError("no message type")
        return {
            "header": header,
            "msg_id": header.get("msg_id"),
            "msg_type": kind,
            "parent_header": parent,
            "metadata": metadata,
            "content": body,
            "buffers": [],
        }


class GuardedChannel(ZMQSocketChannel):
    """A channel of a kernel client over a `ZmtpSocket`."""

    socket: ZmtpSocket

    async def get_msg(self, timeout: float | None = None) -> dict[str, Any]:
        """The next message that can be read; others are skipped.

        Raises:
            TimeoutError: none came within `timeout` seconds.
            PeerError: the kernel's end is gone or broke the protocol.
        """
        async with asyncio.timeout(timeout):
            while True:
                parts = await self.socket.recv_multipart()
                if DELIM not in parts:
                    continue
                try:
                    return self.session.deserialize(parts[parts.index(DELIM) + 1 :])
                except MessageError:
                    continue


class GuardedClient(AsyncKernelClient):
    """A kernel client with a shell and an iopub channel, both over sockets made beforehand."""

    shell_channel_class = Type(GuardedChannel)
    iopub_channel_class = Type(GuardedChannel)
    shell_socket: ZmtpSocket
    iopub_socket: ZmtpSocket

    def connect_shell(self, identity: bytes | None = None) -> ZmtpSocket:
        return self.shell_socket

    def connect_iopub(self, identity: bytes | None = None) -> ZmtpSocket:
        return self.iopub_socket

    def allow(self, total: int) -> None:
        """Take `total` more bytes from each channel before the kernel is given up."""
        self.shell_socket.allow(total)
        self.iopub_socket.allow(total)


async def greet(client: GuardedClient) -> None:
    """Wait until a kernel answers, and until what it publishes arrives here.

    Raises:
        PeerError: it is gone.
    """
    while True:
        own = client.kernel_info()
        try:
            async with asyncio.timeout(_GREETING_S):
                while (await client.get_iopub_msg())["parent_header"].get("msg_id") != own:
                    pass
        except TimeoutError:
            continue
        return


async def open_client(directory: str, key: bytes, max_message_bytes: int) -> GuardedClient:
    """Connect to the kernel whose sockets lie in `directory`.

    Raises:
        OSError: nobody listens there.
        PeerError: the other end is not a kernel.
    """
    session = GuardedSession(key=key, username="sandmle")
    client = GuardedClient(session=session)
    client.shell_socket = await ZmtpSocket.connect(
        socket_path(directory, "shell"), "DEALER", identity=session.bsession, max_bytes=max_message_bytes
    )
    with ExitStack() as undo:
        undo.callback(client.shell_socket.close)
        client.iopub_socket = await ZmtpSocket.connect(
            socket_path(directory, "iopub"), "SUB", max_bytes=max_message_bytes
        )
        undo.pop_all()
    client.start_channels(shell=True, iopub=True, stdin=False, hb=False, control=False)
    return client
