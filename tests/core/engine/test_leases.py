import asyncio
from contextlib import contextmanager

import pytest

from sandmle.core.engine.deadlines import deadline, standing_still
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


async def test_clocks_are_paused_only_while_there_is_something_to_wait_for():
    leases, paused = Leases(cells=1), []

    @contextmanager
    def pause():
        paused.append("paused")
        yield
        paused.append("going on")

    async with Queue(pause=pause).turn(leases.cells):
        assert paused == []
        task = asyncio.create_task(hold(leases.cells, paused, "turn", Queue(pause=pause)))
        await asyncio.sleep(0)
    await task
    assert paused == ["paused", "going on", "turn"]


async def test_a_deadline_that_stands_still_goes_on_with_what_was_left():
    async with deadline(60, SandboxError, "waiting in line") as scope:
        before = scope.when()
        with standing_still(scope):
            assert scope.when() is None
            await asyncio.sleep(0.05)
        assert scope.when() >= before + 0.04

    async def wait_too_long_afterwards():
        async with deadline(0.1, SandboxError, "waiting in line") as scope:
            with standing_still(scope):
                await asyncio.sleep(0.2)
            await asyncio.sleep(60)

    with pytest.raises(SandboxError, match="no answer within"):
        await wait_too_long_afterwards()


async def test_standing_still_after_the_deadline_is_over_does_nothing():
    async with deadline(60, SandboxError, "playing") as scope:
        pass
    with standing_still(scope):
        await asyncio.sleep(0)
