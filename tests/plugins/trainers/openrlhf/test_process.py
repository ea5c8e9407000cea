"""The driver is read as it speaks, and nothing of it outlives its block."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from sandmle.core.errors import StoreError
from sandmle.plugins.trainers.openrlhf.process import open_driver


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def until_gone(pid: int) -> None:
    async with asyncio.timeout(30):
        while alive(pid):
            await asyncio.sleep(0.02)


async def test_lines_come_as_they_are_written_and_go_to_the_log(tmp_path):
    program = "import sys; print('one'); print('10%\\r20%\\r30%'); sys.stderr.write('two\\nthree')"
    log = tmp_path / "driver.log"
    async with open_driver([sys.executable, "-u", "-c", program], os.environ, log) as driver:
        lines = [line async for line in driver.lines()]
        assert await driver.wait() == 0
    assert lines == ["one", "10%", "20%", "30%", "two", "three"]
    assert log.read_text().splitlines() == lines


async def test_a_second_start_goes_on_in_the_same_log(tmp_path):
    for word in ("first", "second"):
        async with open_driver([sys.executable, "-c", f"print('{word}')"], os.environ, tmp_path / "log") as driver:
            assert [line async for line in driver.lines()] == [word]
    assert (tmp_path / "log").read_text() == "first\nsecond\n"


async def test_leaving_the_block_ends_the_driver_and_what_it_started(tmp_path):
    program = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(600)"
    )
    async with open_driver([sys.executable, "-c", program], os.environ, tmp_path / "log") as driver:
        async for line in driver.lines():
            child = int(line)
            break
        assert alive(child)
    await until_gone(child)


@pytest.mark.parametrize("keeps", ["", ", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL"])
async def test_children_of_a_driver_that_died_are_ended_even_if_they_keep_its_pipe(tmp_path, monkeypatch, keeps):
    monkeypatch.setattr(sys.modules[open_driver.__module__], "LINGER_S", 0.1)
    program = (
        "import os, subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']{keeps})\n"
        "print(child.pid, flush=True)\n"
        "os._exit(7)"
    )
    async with open_driver([sys.executable, "-c", program], os.environ, tmp_path / "log") as driver:
        [line] = [line async for line in driver.lines()]
        assert await driver.wait() == 7
    await until_gone(int(line))


async def test_a_driver_that_ignores_signals_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[open_driver.__module__], "PATIENCE_S", {2: 0.1, 15: 0.1, 9: 20.0})
    program = (
        "import signal, time\n"
        "signal.signal(2, signal.SIG_IGN); signal.signal(15, signal.SIG_IGN)\n"
        "print('ready', flush=True)\n"
        "time.sleep(600)"
    )
    async with open_driver([sys.executable, "-c", program], os.environ, tmp_path / "log") as driver:
        async for _ in driver.lines():
            await driver.stop()
            break
        assert await driver.wait() == -9


async def test_a_stopped_driver_has_time_to_close(tmp_path):
    program = (
        "import time\n"
        "try:\n    print('ready', flush=True)\n    time.sleep(600)\n"
        "except KeyboardInterrupt:\n    print('closed', flush=True)"
    )
    lines = []
    async with open_driver([sys.executable, "-c", program], os.environ, tmp_path / "log") as driver:
        async for line in driver.lines():
            lines.append(line)
            if line == "ready":
                stopping = asyncio.create_task(driver.stop())
        await stopping
    assert lines == ["ready", "closed"]


async def test_a_line_without_an_end_is_cut(tmp_path):
    program = "import sys; sys.stdout.write('x' * 3_000_000)"
    async with open_driver([sys.executable, "-c", program], os.environ, tmp_path / "log") as driver:
        lines = [line async for line in driver.lines()]
    assert len(lines) > 1
    assert sum(map(len, lines)) == 3_000_000


async def test_what_cannot_be_started_or_written_is_said(tmp_path):
    with pytest.raises(StoreError, match="cannot start"):
        async with open_driver([str(tmp_path / "nothing")], os.environ, tmp_path / "log"):
            pass
    async with open_driver([sys.executable, "-c", "print(1)"], os.environ, tmp_path / "no" / "log") as driver:
        with pytest.raises(StoreError, match="cannot write"):
            async for _ in driver.lines():
                pass
