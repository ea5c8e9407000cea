"""How many requests may be under way at one provider."""

import asyncio

import pytest

from sandmle.plugins.llms.limits import AdaptiveLimit


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


async def held(limit, count):
    """Take turns until `count` are under way; gives what lets go of them."""
    done = asyncio.Event()

    async def holding():
        async with limit.turn():
            await done.wait()

    tasks = [asyncio.create_task(holding()) for _ in range(count)]
    for _ in range(5):
        await asyncio.sleep(0)

    async def let_go():
        done.set()
        await asyncio.gather(*tasks)

    return let_go


async def test_no_more_than_the_limit_are_under_way_and_the_rest_wait_their_turn(clock):
    limit = AdaptiveLimit(3, 10, clock)
    let_go = await held(limit, 8)
    assert limit.under_way == 3
    await let_go()
    assert limit.under_way == 0


async def test_it_doubles_per_round_until_the_first_rate_limit_then_grows_by_one_per_round(clock):
    limit = AdaptiveLimit(4, 100, clock)
    let_go = await held(limit, 50)
    for _ in range(4):
        limit.succeeded()
    assert limit.limit == 8
    limit.rate_limited(clock(), 0.0)
    halved = limit.limit
    assert halved == 4
    for _ in range(halved):
        limit.succeeded()
    assert limit.limit in (halved, halved + 1)
    limit.succeeded()
    assert limit.limit == halved + 1
    await let_go()


async def test_it_does_not_grow_while_nobody_wants_more(clock):
    limit = AdaptiveLimit(4, 100, clock)
    let_go = await held(limit, 1)
    for _ in range(20):
        limit.succeeded()
    assert limit.limit == 4
    await let_go()


async def test_requests_that_meet_one_rate_limit_together_halve_it_once(clock):
    limit = AdaptiveLimit(16, 100, clock)
    let_go = await held(limit, 16)
    for _ in range(16):
        limit.rate_limited(99.0, 0.0)
    assert limit.limit == 8
    clock.now += 1
    limit.rate_limited(100.5, 0.0)
    assert limit.limit < 8
    await let_go()


async def test_it_never_falls_below_one_nor_rises_above_the_most(clock):
    limit = AdaptiveLimit(2, 5, clock)
    for _ in range(10):
        clock.now += 1
        limit.rate_limited(clock(), 0.0)
    assert limit.limit == 1
    let_go = await held(limit, 30)
    for _ in range(200):
        limit.succeeded()
    assert limit.limit == 5
    await let_go()


async def test_nothing_is_sent_while_the_provider_wants_to_be_left_alone():
    limit = AdaptiveLimit(2, 5)
    loop = asyncio.get_running_loop()
    began = loop.time()
    limit.rate_limited(0.0, 0.05)
    await limit.rested()
    assert loop.time() - began >= 0.045


async def test_whoever_gives_up_waiting_leaves_its_turn_to_others(clock):
    limit = AdaptiveLimit(1, 1, clock)
    let_go = await held(limit, 1)

    async def waiting():
        async with limit.turn():
            return "had a turn"

    first, second = asyncio.create_task(waiting()), asyncio.create_task(waiting())
    await asyncio.sleep(0)
    first.cancel()
    await let_go()
    assert await second == "had a turn"
    assert first.cancelled()
    assert limit.under_way == 0


async def test_a_turn_given_in_the_moment_of_giving_up_goes_to_the_next(clock):
    limit = AdaptiveLimit(1, 1, clock)

    async def waiting():
        async with limit.turn():
            return "had a turn"

    async with limit.turn():
        first, second = asyncio.create_task(waiting()), asyncio.create_task(waiting())
        await asyncio.sleep(0)
    # The turn is first's now, which has not been told yet.
    first.cancel()
    assert await second == "had a turn"
    assert limit.under_way == 0


def test_it_serves_one_event_loop_after_another(clock):
    limit = AdaptiveLimit(1, 1, clock)

    async def once():
        async with limit.turn():
            return limit.under_way

    assert [asyncio.run(once()) for _ in range(2)] == [1, 1]
