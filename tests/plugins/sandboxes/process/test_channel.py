"""The host's end of a channel believes answers to the cell that runs, and reads nothing in between."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from sandmle.plugins.sandboxes.process import wire
from sandmle.plugins.sandboxes.process.channel import Channel


@pytest_asyncio.fixture
async def channel() -> AsyncIterator[Channel]:
    made = Channel()
    yield made
    made.close()


async def asked(channel: Channel, code: bytes = b"1") -> tuple["asyncio.Task[bytes]", wire.Cell]:
    """A cell under way, as the other end sees it."""
    asking = asyncio.create_task(channel.ask(code))
    cell = await asyncio.to_thread(wire.receive_cell, channel.theirs)
    assert cell is not None
    return asking, cell


@pytest.mark.parametrize("size", [0, 1, 65_000, 65_512, 65_513, 400_000])
async def test_code_of_any_size_arrives_whole(channel: Channel, size: int) -> None:
    asking, cell = await asked(channel, b"x" * size)
    assert cell.code == "x" * size
    channel.theirs.send(cell.nonce + wire.FAILED)
    assert await asking == wire.FAILED


async def test_forged_and_stale_answers_are_passed_over(channel: Channel) -> None:
    asking, first = await asked(channel)
    channel.theirs.send(first.nonce + wire.OK)
    assert await asking == wire.OK
    channel.theirs.send(first.nonce + wire.OK)
    asking, second = await asked(channel)
    for forged in (b"x", bytes(17), first.nonce + wire.OK, second.nonce, second.nonce + b"++"):
        channel.theirs.send(forged)
    channel.theirs.send(second.nonce + wire.FAILED)
    assert await asking == wire.FAILED


async def test_what_is_sent_between_cells_is_left_unread(channel: Channel) -> None:
    asking, cell = await asked(channel)
    channel.theirs.send(cell.nonce + wire.OK)
    await asking
    channel.theirs.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        for _ in range(100_000):
            channel.theirs.send(bytes(1000))
    await asyncio.sleep(0.01)
    with pytest.raises(BlockingIOError):
        channel.theirs.send(bytes(1000))


async def test_a_flood_of_forgeries_ends_the_wait(channel: Channel) -> None:
    asking, cell = await asked(channel)

    def flood() -> None:
        for _ in range(1001):
            channel.theirs.send(bytes(17))

    await asyncio.gather(asyncio.to_thread(flood), asking)
    assert asking.result() == b""
    assert cell.code == "1"


async def test_a_closed_other_end_and_a_session_that_is_over_end_the_wait(channel: Channel) -> None:
    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    channel.give_up_on(over)
    asking, _ = await asked(channel)
    over.set_result(None)
    assert await asking == b""
    assert await channel.ask(b"1") == b""
    channel.theirs.shutdown(socket.SHUT_RDWR)
    channel.theirs.close()
    assert await channel.ask(b"1") == b""


async def test_an_answer_given_before_the_end_counts(channel: Channel) -> None:
    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    channel.give_up_on(over)
    asking, cell = await asked(channel)
    channel.theirs.send(cell.nonce + wire.OK)
    over.set_result(None)
    assert await asking == wire.OK
