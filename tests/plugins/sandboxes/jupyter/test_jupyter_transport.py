"""The host's end of a kernel's socket, against a real ZeroMQ peer and against hostile ones."""

import asyncio
import json
import struct
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import zmq
import zmq.asyncio
from jupyter_client.session import DELIM

from sandmle.plugins.sandboxes.jupyter.protocol import GuardedSession, MessageError
from sandmle.plugins.sandboxes.jupyter.zmtp import PeerError, ZmtpSocket

GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
READY = b"\x04\x19\x05READY\x0bSocket-Type\x00\x00\x00\x03PUB"
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
def place():
    # The name of a socket may have 107 characters at most, which pytest's own directories can exceed.
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory)


@asynccontextmanager
async def hostile(path: Path, after_handshake: bytes | Talk):
    async def serve(reader, writer):
        writer.write(GREETING + READY)
        try:
            if callable(after_handshake):
                await after_handshake(reader, writer)
            else:
                writer.write(after_handshake)
                await reader.read()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_unix_server(serve, path)
    try:
        yield str(path)
    finally:
        server.close()


async def received(path: str, allowed: int = 1_000_000) -> list[list[bytes]]:
    """Every message until the peer is given up."""
    socket = await ZmtpSocket.connect(path, "SUB", max_bytes=10_000)
    socket.allow(allowed)
    messages = []
    try:
        while True:
            messages.append(await asyncio.wait_for(socket.recv_multipart(), 10))
    except PeerError:
        return messages
    finally:
        socket.close()


async def test_it_talks_to_a_real_router_and_a_real_publisher(place):
    with (
        zmq.asyncio.Context() as context,
        context.socket(zmq.ROUTER) as router,
        context.socket(zmq.XPUB) as publisher,
    ):
        router.bind(f"ipc://{place}/r")
        publisher.bind(f"ipc://{place}/p")
        dealer = await ZmtpSocket.connect(f"{place}/r", "DEALER", identity=b"me", max_bytes=10_000)
        subscriber = await ZmtpSocket.connect(f"{place}/p", "SUB", max_bytes=10_000)
        dealer.send_multipart([b"", b"x" * 300, b"end"])
        assert await asyncio.wait_for(router.recv_multipart(), 10) == [b"me", b"", b"x" * 300, b"end"]
        await router.send_multipart([b"me", b"y" * 5000, b""])
        assert await asyncio.wait_for(dealer.recv_multipart(), 10) == [b"y" * 5000, b""]
        assert await asyncio.wait_for(publisher.recv(), 10) == b"\x01"
        await publisher.send_multipart([b"topic", b"body"])
        assert await asyncio.wait_for(subscriber.recv_multipart(), 10) == [b"topic", b"body"]
        dealer.close()
        subscriber.close()


async def test_messages_up_to_the_limit_arrive_and_a_longer_one_ends_the_connection(place):
    fits = b"\x02" + struct.pack(">Q", 10_000) + b"x" * 10_000
    announced = b"\x02" + struct.pack(">Q", 10_001)
    async with hostile(place / "s", fits + announced) as path:
        assert await received(path) == [[b"x" * 10_000]]


async def test_the_limit_holds_for_the_frames_of_a_message_together(place):
    half = b"\x03" + struct.pack(">Q", 6_000) + b"x" * 6_000
    async with hostile(place / "s", half + half) as path:
        assert await received(path) == []


async def test_endless_empty_frames_of_one_message_end_the_connection(place):
    async with hostile(place / "s", b"\x01\x00" * 100_000) as path:
        assert await received(path) == []


async def test_a_frame_of_absurd_length_is_not_waited_for(place):
    async with hostile(place / "s", b"\x02" + b"\xff" * 8) as path:
        assert await received(path) == []


async def test_many_messages_end_the_connection_when_the_allowance_is_used_up(place):
    async def flood(_, writer):
        while True:
            writer.write(b"\x00\x01x" * 1000)
            await writer.drain()

    async with hostile(place / "s", flood) as path:
        messages = await received(path, allowed=65 * 500)
    assert messages == [[b"x"]] * 500


async def test_a_flood_nobody_takes_is_not_read(place):
    sent = 0

    async def flood(_, writer):
        nonlocal sent
        while True:
            writer.write(b"\x02" + struct.pack(">Q", 9_000) + b"x" * 9_000)
            await writer.drain()
            sent += 9_009

    async with hostile(place / "s", flood) as path:
        socket = await ZmtpSocket.connect(path, "SUB", max_bytes=10_000)
        socket.allow(10**12)
        before = -1
        while sent != before:
            before = sent
            await asyncio.sleep(0.1)
        socket.close()
    # What the kernel's and asyncio's own buffers hold; an unbounded reader would take gigabytes.
    assert sent < 4_000_000


@pytest.mark.parametrize(
    "greeting",
    [
        b"HTTP/1.1 200 OK\r\n".ljust(64),
        GREETING[:10] + b"\x02" + GREETING[11:],
        GREETING.replace(b"NULL", b"CURV"),
        b"\xff",
    ],
    ids=["http", "version 2", "curve", "short"],
)
async def test_a_peer_of_another_protocol_is_refused(place, greeting):
    async def serve(_, writer):
        writer.write(greeting)
        writer.close()

    server = await asyncio.start_unix_server(serve, place / "s")
    with pytest.raises(PeerError):
        await ZmtpSocket.connect(str(place / "s"), "SUB", max_bytes=10_000)
    server.close()


async def test_closing_tells_whoever_waits(place):
    async with hostile(place / "s", b"") as path:
        socket = await ZmtpSocket.connect(path, "SUB", max_bytes=10_000)
        waiting = asyncio.create_task(socket.recv_multipart())
        await asyncio.sleep(0)
        socket.close()
        with pytest.raises(PeerError):
            await asyncio.wait_for(waiting, 10)


def signed(*parts: bytes) -> list[bytes]:
    return [GuardedSession(key=b"k").sign(list(parts)), *parts]


def test_an_honest_message_is_read():
    session = GuardedSession(key=b"k")
    sent = session.serialize(session.msg("stream", {"name": "stdout", "text": "é"}))
    message = session.deserialize(sent[sent.index(DELIM) + 1 :])
    assert message["msg_type"] == "stream"
    assert message["content"] == {"name": "stdout", "text": "é"}


@pytest.mark.parametrize(
    "frames",
    [
        [],
        [b"", b"{}", b"{}", b"{}", b"{}"],
        [b"0" * 64, b'{"msg_type": "x"}', b"{}", b"{}", b"{}"],
        signed(b'{"msg_type": "x"}', b"{}", b"{}"),
        signed(b"{", b"{}", b"{}", b"{}"),
        signed(b"\xff\xfe", b"{}", b"{}", b"{}"),
        signed(b'{"msg_type": "x"}', b"[]", b"{}", b"{}"),
        signed(b'{"msg_type": "x"}', b"{}", b"null", b"{}"),
        signed(b'{"msg_type": 5}', b"{}", b"{}", b"{}"),
        signed(b"{}", b"{}", b"{}", b"{}"),
        signed(b'{"msg_type": "x"}', b"{}", b"{}", b"[" * 100_000 + b"]" * 100_000),
        signed(b'{"msg_type": "x"}', b"{}", b"{}", b'{"a": ' + b"9" * 10_000 + b"}"),
    ],
    ids=["none", "unsigned", "forged", "few", "json", "utf8", "list", "null", "type", "bare", "deep", "number"],
)
def test_a_bad_message_is_an_error_of_its_own_kind(frames):
    with pytest.raises(MessageError):
        GuardedSession(key=b"k").deserialize(frames)


def test_dates_in_a_message_stay_text():
    content = json.dumps({"date": "2020-01-01T00:00:00"}).encode()
    message = GuardedSession(key=b"k").deserialize(signed(b'{"msg_type": "x"}', b"{}", b"{}", content))
    assert message["content"] == {"date": "2020-01-01T00:00:00"}
