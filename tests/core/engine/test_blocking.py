"""A scaffold that keeps the event loop to itself is ended in the middle of it; the other episodes go on."""

import asyncio
import signal
import time

import pytest

from sandmle.core.engine import blocking
from sandmle.core.engine.interrupts import run_until_interrupted
from sandmle.core.engine.own_time import BlockedError, OwnTime


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(blocking, "TICK_S", 0.1)
    monkeypatch.setattr(blocking, "TICKS", 10)


def sleeps():
    time.sleep(3600)


def loops():
    while True:
        pass


def loops_over_exceptions():
    while True:
        try:
            time.sleep(0.01)
            raise ValueError("again")
        except Exception:  # noqa: BLE001 - what a careless scaffold does
            continue


async def blocking_child(block):
    block()


@pytest.mark.parametrize("block", [sleeps, loops, loops_over_exceptions])
@pytest.mark.parametrize("nested", [False, True])
def test_what_blocks_is_ended_and_others_go_on(block, nested):
    async def scaffold():
        await asyncio.sleep(0)
        if nested:
            await asyncio.create_task(blocking_child(block))
        else:
            block()

    async def main(drain):
        with OwnTime(lambda: 900.0).playing():
            broken = asyncio.create_task(scaffold())
        other = asyncio.create_task(asyncio.sleep(0.2, "went on"))
        with pytest.raises(BlockedError, match="kept the event loop to itself"):
            await broken
        return await other

    assert run_until_interrupted(main) == "went on"
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_the_host_may_block_while_it_works_for_a_scaffold_and_by_itself():
    async def main(drain):
        own_time = OwnTime(lambda: 900.0)
        with own_time.playing(), own_time.standing_still():
            time.sleep(1.5)
        time.sleep(1.5)
        return "done"

    assert run_until_interrupted(main) == "done"


def test_a_loop_that_takes_its_turns_is_left_alone():
    async def main(drain):
        with OwnTime(lambda: 900.0).playing():
            for _ in range(20):
                time.sleep(0.05)
                await asyncio.sleep(0.05)
        return "done"

    assert run_until_interrupted(main) == "done"
