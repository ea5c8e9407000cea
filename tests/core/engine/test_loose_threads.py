"""Threads that never end hold up nothing: neither other threads, nor the event loop's closing, nor the exit."""

import asyncio
import subprocess
import sys
import threading

import pytest

from sandmle.core.engine import loose_threads
from sandmle.core.engine.interrupts import run_until_interrupted
from sandmle.core.engine.loose_threads import LooseThreads

HELD = """
import asyncio, sys, threading
from sandmle.core.engine import loose_threads
from sandmle.core.engine.interrupts import run_until_interrupted
loose_threads.CLOSING_S = 0.1
async def main(drain):
    try:
        async with asyncio.timeout(0.1):
            await asyncio.to_thread(threading.Event().wait)
    except TimeoutError:
        return await asyncio.to_thread(str, 42)
print(run_until_interrupted(main))
sys.exit(5)
"""


@pytest.fixture
def threads():
    made = LooseThreads()
    yield made
    made.shutdown(wait=False)


def test_a_program_ends_although_a_thread_of_its_never_does():
    done = subprocess.run([sys.executable, "-c", HELD], capture_output=True, text=True, timeout=300, check=False)
    assert (done.stdout, done.returncode) == ("42\n", 5), done.stderr


def test_the_program_runs_what_blocks_in_them():
    async def main(drain):
        return await asyncio.to_thread(lambda: threading.current_thread().name)

    assert run_until_interrupted(main).startswith("loose-")


def test_results_and_failures_come_back(threads):
    def fail():
        raise KeyError("x")

    assert threads.submit(divmod, 7, 2).result(60) == (3, 1)
    with pytest.raises(KeyError):
        threads.submit(fail).result(60)
    with pytest.raises(SystemExit):
        threads.submit(sys.exit, 3).result(60)
    assert threads.submit(str, 1).result(60) == "1"


def test_an_idle_thread_is_taken_again(threads):
    for number in range(50):
        assert threads.submit(str, number).result(60) == str(number)
    assert len(threads._workers) <= 50
    assert threads._busy_since == {} or len(threads._busy_since) == 1


def test_there_are_no_more_than_so_many_but_for_those_held_up(threads, monkeypatch):
    monkeypatch.setattr(loose_threads, "MOST", 2)
    held = threading.Event()
    waiting = [threads.submit(held.wait) for _ in range(2)]
    last = threads.submit(str, 1)
    assert len(threads._workers) == 2
    monkeypatch.setattr(loose_threads, "HELD_UP_S", -1.0)
    while len(threads._busy_since) < 2:
        pass
    assert threads.submit(str, 2).result(60) == "2"
    assert last.result(60) == "1"
    held.set()
    assert all(one.result(60) for one in waiting)


def test_jobs_that_had_to_wait_leave_nobody_counted_as_idle(threads, monkeypatch):
    monkeypatch.setattr(loose_threads, "MOST", 2)
    for _ in range(2):
        held = threading.Event()
        under_way = [threads.submit(held.wait) for _ in range(2)]
        queued = [threads.submit(str, number) for number in range(3)]
        held.set()
        assert [one.result(60) for one in (*under_way, *queued)] == [True, True, "0", "1", "2"]
    held = threading.Event()
    under_way = [threads.submit(held.wait) for _ in range(2)]
    while len(threads._busy_since) < 2:
        pass
    monkeypatch.setattr(loose_threads, "HELD_UP_S", -1.0)
    try:
        assert threads.submit(str, 1).result(20) == "1"
    finally:
        held.set()
    assert all(one.result(60) for one in under_way)


def test_what_was_cancelled_before_its_turn_is_not_done(threads, monkeypatch):
    monkeypatch.setattr(loose_threads, "MOST", 1)
    held, done = threading.Event(), []
    first, second = threads.submit(held.wait), threads.submit(done.append, 1)
    assert second.cancel()
    held.set()
    assert first.result(60)
    assert threads.submit(len, done).result(60) == 0
