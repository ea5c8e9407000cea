"""Runs `sandmle` itself, as a person would."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from plan import Plan

CONFIG = "benchmarks/learning.toml"
STOPPED_SHORT = 3
DRAIN_S = 25.0
"""Before its limit a training is asked to stop after what is under way."""
KILL_S = 5.0


def run(
    plan: Plan, words: Sequence[str], options: Mapping[str, Any], ends: float, *, drains: bool = False
) -> tuple[bool, float]:
    """Run one command to its end; its output is this process's, each line with the seconds since it began.

    Args:
        plan: of the check.
        words: after `sandmle --config ...`.
        options: configuration keys.
        ends: when it is to be over, by the monotonic clock.
        drains: it can be asked to stop early, with what it has reached.

    Returns:
        Whether it went to its own end, and its seconds.

    Raises:
        SystemExit: it failed.
    """
    sets = [word for key, value in options.items() for word in ("--set", f"{key}={value}")]
    program = [sys.executable, "-m", "sandmle.cli", "--config", str(plan.root / CONFIG), *words, *sets]
    print("$ sandmle", *program[3:], flush=True)
    began = time.monotonic()
    process = subprocess.Popen(program, cwd=plan.work, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    telling = threading.Thread(target=_tell, args=(process, began))
    telling.start()
    try:
        code = process.wait(max(1.0, ends - began - (DRAIN_S if drains else KILL_S)))
    except subprocess.TimeoutExpired:
        print(f"{words[:2]}: its time is over; asked to stop", flush=True)
        process.send_signal(signal.SIGINT)
        try:
            code = process.wait(DRAIN_S - KILL_S if drains else KILL_S)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
    telling.join(KILL_S)
    if code not in (0, STOPPED_SHORT):
        print(f"{words[:2]}: exit status {code}", flush=True)
        sys.exit(1)
    return code == 0, time.monotonic() - began


def _tell(process: "subprocess.Popen[str]", began: float) -> None:
    """Where a command spends its time shows when it says nothing."""
    assert process.stdout is not None
    for line in process.stdout:
        print(f"[{time.monotonic() - began:6.1f}] {line}", end="", flush=True)
