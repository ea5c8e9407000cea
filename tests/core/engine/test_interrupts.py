import os
import signal
import subprocess
import sys
import time

import pytest

from sandmle.core.engine.interrupts import run_until_interrupted

PROGRAM = """
import asyncio, functools, sys
from sandmle.core.engine.interrupts import run_until_interrupted
print = functools.partial(print, file=sys.stdout)
async def main(drain):
    child = await asyncio.create_subprocess_exec("sleep", "600", start_new_session=True)
    print("child", child.pid, flush=True)
    try:
        await drain.wait()
        print("draining", flush=True)
        {after_drain}
        return "done"
    finally:
        child.kill()
        await child.wait()
        print("closed", flush=True)
try:
    print(run_until_interrupted(main))
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.fixture
def program():
    started = []

    def start(after_drain):
        code = PROGRAM.replace("{after_drain}", after_drain)
        process = subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )  # fmt: skip
        started.append(process)
        return process, int(process.stdout.readline().split()[1])

    yield start
    for process in started:
        process.kill()
        process.communicate()


def gone(pid):
    for _ in range(500):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.01)
    return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_drains_and_the_result_is_returned(program, number):
    process, child = program("pass")
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert out.split() == ["draining", "closed", "done"]
    assert "finishing what is under way" in err
    assert process.returncode == 0
    assert gone(child)


def test_two_signals_stop_with_130_and_leave_no_child(program):
    process, child = program("await asyncio.Event().wait()")
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "draining\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert out.split() == ["closed"]
    assert "stopping" in err
    assert "Traceback" not in err
    assert process.returncode == 130
    assert gone(child)


def test_without_a_signal_results_and_errors_pass_through():
    async def answer(drain):
        return 42

    async def fail(drain):
        raise ValueError("ours")

    assert run_until_interrupted(answer) == 42
    with pytest.raises(ValueError, match="ours"):
        run_until_interrupted(fail)


def test_what_is_printed_meanwhile_does_not_reach_stdout(capsys):
    async def main(drain):
        print("a plugin says so")
        return "done"

    print(run_until_interrupted(main))
    assert capsys.readouterr() == ("done\n", "a plugin says so\n")
