import asyncio

import pytest

from sandmle.core.engine.leases import Leases, Queue
from sandmle.core.errors import SandboxError


async def hold(turns, order, name, queue=None):
    async with (queue or Queue()).turn(turns):
        order.append(name)
        await asyncio.sleep(0)


async def test_turns_are_bounded_and_given_in_the_order_asked_for():
    leases, order = Leases(cells=2), []
    most = now = 0

    async def run(name):
        nonlocal most, now
        async with Queue().turn(leases.cells):
            order.append(name)
            now += 1
            most = max(most, now)
            await asyncio.sleep(0.001)
            now -= 1

    await asyncio.gather(*(run(number) for number in range(20)))
    assert order == list(range(20))
    assert most == 2


async def test_starts_and_cells_have_turns_of_their_own():
    leases, order = Leases(cells=1, starts=1), []
    async with Queue().turn(leases.cells):
        await asyncio.wait_for(hold(leases.starts, order, "start"), 5)
    assert order == ["start"]


async def test_only_the_wait_is_queue_time():
    leases, waiting, held = Leases(cells=1), Queue(), Queue()
    async with held.turn(leases.cells):
        task = asyncio.create_task(hold(leases.cells, [], "late", waiting))
        await asyncio.sleep(0.05)
    await task
    assert waiting.seconds >= 0.04
    assert held.seconds < 0.04


async def test_a_wait_that_is_cancelled_takes_no_turn_with_it():
    leases, order = Leases(cells=1), []
    async with Queue().turn(leases.cells):
        waiting = asyncio.create_task(hold(leases.cells, order, "gone"))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    await asyncio.wait_for(hold(leases.cells, order, "next"), 5)
    assert order == ["next"]


async def test_a_failure_inside_gives_the_turn_back():
    leases, order = Leases(cells=1), []
    with pytest.raises(SandboxError):
        async with Queue().turn(leases.cells):
            raise SandboxError("lost")
    await asyncio.wait_for(hold(leases.cells, order, "next"), 5)
    assert order == ["next"]
