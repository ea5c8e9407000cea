import asyncio
import time

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
        before_s = held.seconds
        task = asyncio.create_task(hold(leases.cells, [], "late", waiting))
        await asyncio.sleep(0.05)
    await task
    assert waiting.seconds >= 0.04
    assert held.seconds == before_s


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


async def test_starts_are_spaced_and_the_wait_is_queue_time():
    leases, queues = Leases(starts=8, starts_per_s=5), [Queue() for _ in range(4)]
    began, times = time.monotonic(), []

    async def start(queue: Queue) -> None:
        async with queue.turn(leases.starts):
            times.append(time.monotonic() - began)

    await asyncio.gather(*(start(queue) for queue in queues))
    # No turn comes early, however late a busy machine makes them.
    assert all(at >= 0.2 * number - 0.001 for number, at in enumerate(sorted(times)))
    # Of its six tenths of a second, the last has waited for what was left when a busy machine let it begin to.
    assert queues[-1].seconds >= 0.2


async def test_a_start_that_is_cancelled_while_it_is_spaced_gives_its_turn_back():
    leases = Leases(starts=1, starts_per_s=0.01)
    async with Queue().turn(leases.starts):
        pass
    assert leases.starts.locked()
    waiting = asyncio.create_task(hold(leases.starts, [], "gone"))
    await asyncio.sleep(0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    leases.starts._next = 0.0
    assert not leases.starts.locked()
