"""How one sees from outside that an attack succeeded. Each gives what was seen, or nothing."""

import asyncio
import contextlib
import ctypes
import fcntl
import os
import re
import resource
import signal
import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hostile.bare import HungError
from hostile.record import Attack
from hostile.stage import LIBC, Stage, processes_named
from sandmle.core.contracts.sandbox import Sandbox, SandboxSession
from sandmle.core.types.sandbox import CellResult, CellStatus, FetchedFiles, SandboxLimits

LIMITS = SandboxLimits(memory_mb=64, workdir_mb=16, processes=16, output_chars=2000)
"""Small, so that an attack need not be large to pass them."""
CAP_BYTES = 1 << 20
CAP_FILES = 200
PATIENCE_S = 10.0
DYING_TAKES_S = 2.0
"""Until processes that were killed are gone; less than any survivor lives."""
SIGNAL_TAKES_S = 1.0
"""Until a process that was sent one is seen to be gone or to stand still."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """All that an observer may look at, when the cell has ended and its session has not."""

    attack: Attack
    stage: Stage
    sandbox: Sandbox
    session: SandboxSession
    result: CellResult
    untouched: object
    """How the bystander was before."""


async def told(seen: Seen) -> str:
    """The program says that it got through, which it does only when it did."""
    return "it says so" if seen.stage.token in seen.result.stdout else ""


async def secret(seen: Seen) -> str:
    text = seen.result.stdout + seen.result.stderr
    return "it printed the secret" if seen.stage.secret in text else ""


async def reached(seen: Seen) -> str:
    for door in seen.stage.doors:
        with contextlib.suppress(BlockingIOError):
            if door.type == socket.SOCK_DGRAM:
                return f"received {door.recv(100)!r}"
            door.accept()[0].close()
            return "was called"
    return ""


async def came_through(seen: Seen) -> str:
    """Something was written into what the host reads."""
    with contextlib.suppress(BlockingIOError):
        return "was read" if seen.stage.token.encode() in os.read(seen.stage.planted["mouth"], 65_536) else ""
    return ""


async def back_door(seen: Seen) -> str:
    """The session listens, and the host (or anybody) can call it."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", seen.stage.planted["free_port"]), 1):
        return "answered a call"
    return ""


def condition(pid: int) -> Mapping[str, object]:
    """Everything about a process that another could change."""
    return {
        "affinity": os.sched_getaffinity(pid),
        "niceness": os.getpriority(os.PRIO_PROCESS, pid),
        "policy": os.sched_getscheduler(pid),
        "io priority": LIBC.syscall(ctypes.c_long(252), ctypes.c_long(1), ctypes.c_long(pid)),
        "cpu limit": resource.prlimit(pid, resource.RLIMIT_CPU),
        "file limit": resource.prlimit(pid, resource.RLIMIT_NOFILE),
        "out-of-memory score": Path(f"/proc/{pid}/oom_score_adj").read_text(),
        "state": Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "Tt",
    }


async def bystander_touched(seen: Seen) -> str:
    """A process outside was killed, stopped, slowed or limited."""
    process = seen.stage.planted["process"]
    deadline = time.monotonic() + 0.1
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    if process.poll() is not None:
        return f"it ended with {process.returncode}"
    now = condition(process.pid)
    return ", ".join(name for name in now if now[name] != seen.untouched[name])


async def zygote_touched(seen: Seen) -> str:
    until = time.monotonic() + SIGNAL_TAKES_S
    while not (touched := _touched(seen)) and time.monotonic() < until:
        await asyncio.sleep(0.05)
    return touched


def _touched(seen: Seen) -> str:
    for name in ("zygote", "guardian"):
        if name in seen.stage.planted:
            pid = seen.stage.planted[name]
            try:
                state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            except FileNotFoundError:
                return f"the {name} is gone"
            if state == "T":
                os.kill(pid, signal.SIGCONT)
            if state in "TZ":
                return f"the {name} is in state {state}"
    return ""


async def sibling_dead(seen: Seen) -> str:
    return await sibling_says(seen, "print('well')", "well\n")


async def sibling_says(seen: Seen, code: str, expected: str) -> str:
    answer = await seen.stage.sibling.run(code, PATIENCE_S)
    return "" if answer.stdout == expected else f"the sibling answered {answer.status}: {answer.stdout!r}"


async def sibling_changed(seen: Seen) -> str:
    return await sibling_says(seen, "print(buffer.value.decode())", seen.stage.secret + "\n")


async def sibling_file_changed(seen: Seen) -> str:
    got = await seen.stage.sibling.fetch("submission.csv", CAP_BYTES)
    text = got.files["submission.csv"] if isinstance(got, FetchedFiles) else b""
    return "" if text.decode() == seen.stage.secret else f"the sibling's file holds {text!r}"


async def sibling_output_forged(seen: Seen) -> str:
    answer = await seen.stage.planted["busy"]
    return "its output is another's" if seen.stage.token in answer.stdout else ""


async def answers_gone(seen: Seen) -> str:
    return "" if seen.stage.answers.exists() else "the file is gone"


async def library_changed(seen: Seen) -> str:
    folder = Path(seen.stage.planted["library"])
    hit = [one.name for one in folder.rglob("*") if one.is_file() and seen.stage.token.encode() in one.read_bytes()]
    for name in hit:
        next(folder.rglob(name)).unlink()
    return f"changed: {hit}" if hit else ""


async def poisoned(seen: Seen) -> str:
    """The next session of the same sandbox finds the interpreter changed."""
    await seen.session.run("pass", PATIENCE_S)
    # A container's interpreter has no helper, unless an attack gave it one.
    code = (
        "import json\ntry: from shared_helper import answer\nexcept ModuleNotFoundError: answer = lambda: 42\n"
        "print(sorted([2, 1]), json.dumps(1), answer())"
    )
    async with seen.sandbox.session(public_dir=seen.stage.public, limits=LIMITS) as following:
        answer = await following.run(code, PATIENCE_S)
    return "" if answer.stdout.strip() == "[1, 2] 1 42" else f"the next one got {answer.stdout!r}"


async def ipc_changed(seen: Seen) -> str:
    """A System V object of the host's is gone, or not as it was."""
    planted, room = seen.stage.planted, ctypes.create_string_buffer(256)
    if "empty_segment" in planted and LIBC.shmctl(planted["empty_segment"], 2, room) < 0:
        return "the segment is gone"
    if "empty_segment" in planted and int.from_bytes(room.raw[88:96], "little"):
        # Marked for removal, or still attached by a stranger.
        return "the segment is held"
    if "queue" in planted:
        got = LIBC.msgrcv(planted["queue"], room, 100, 0, 0o4000)
        if got >= 0 and seen.stage.token.encode() in room.raw:
            return "the queue holds a message of its"
    if "semaphore" in planted and LIBC.semctl(planted["semaphore"], 0, 12, 0) != 0:
        return "the semaphore was set"
    return ""


async def posix_queue_gone(seen: Seen) -> str:
    library = ctypes.CDLL("librt.so.1")
    number = library.mq_open(seen.stage.planted["posix_queue"].encode(), os.O_RDONLY)
    if number < 0:
        return "the queue is gone"
    os.close(number)
    return ""


async def left_behind(seen: Seen) -> str:
    await seen.session.end()
    return "a file outlived it" if os.path.lexists(seen.stage.planted["left"]) else ""


async def key_left(seen: Seen) -> str:
    await seen.session.end()
    number = LIBC.syscall(ctypes.c_long(250), 10, -4, b"user", seen.stage.token.encode(), 0)
    return "a key outlived it" if number >= 0 else ""


async def locked(seen: Seen) -> str:
    with open(seen.stage.planted["lock"], encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return "the host waits for its own lock"
    return ""


async def survived(seen: Seen) -> str:
    await seen.session.end()
    time.sleep(0.15)
    # What is being ended needs a processor for that; where nobody ends it, there is no point in waiting.
    until = time.monotonic() + (0 if seen.stage.place in ("L0", "bare") else DYING_TAKES_S)
    while (left := list(processes_named(seen.stage.token))) and time.monotonic() < until:
        time.sleep(0.05)
    return f"{len(left)} processes outlived it" if left else ""


async def flooded(seen: Seen) -> str:
    text = seen.result.stdout + seen.result.stderr
    return f"{len(text)} characters came" if len(text) > 4 * LIMITS.output_chars else ""


async def disguised(seen: Seen) -> str:
    """What a reader would see is not what was written."""
    found = re.findall(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", seen.result.stdout)
    return f"control characters came through: {sorted(set(found))}" if found else ""


async def believed(seen: Seen) -> str:
    """A cell that never came to its end, or raised, is taken for one that did well."""
    return "it counts as done" if seen.result.status is CellStatus.OK else ""


async def late_word(seen: Seen) -> str:
    """The next cell, which fails, is taken for one that did well."""
    answer = await seen.session.run("import time; time.sleep(0.6); 1 / 0", PATIENCE_S)
    return "a forged word was believed" if answer.status is CellStatus.OK else ""


async def held_up(seen: Seen) -> str:
    """The host came back only when the program was through, long after its time had passed."""
    mark = "left over by its own end"
    return mark if mark in seen.result.stdout else ""


async def handed_over(seen: Seen) -> str:
    """The host copies out what it must not."""
    await seen.session.end()
    try:
        got = await seen.session.fetch(seen.attack.path, CAP_BYTES)
    except HungError:
        return "the host hangs"
    if not isinstance(got, FetchedFiles):
        return ""
    data = got.files[seen.attack.path]
    if seen.stage.secret.encode() in data:
        return "the secret was handed over"
    return f"{len(data)} bytes were read" if len(data) > CAP_BYTES else ""


async def tree_handed_over(seen: Seen) -> str:
    await seen.session.end()
    got = await seen.session.fetch_tree(".", CAP_BYTES, CAP_FILES)
    files = got.files if isinstance(got, FetchedFiles) else {}
    if any(seen.stage.secret.encode() in data for data in files.values()):
        return "the secret was handed over"
    return f"{len(files)} files were read" if len(files) > CAP_FILES else ""


async def host_ran(seen: Seen) -> str:
    """Looking at what the agent left behind ran its code in the host."""
    await seen.session.end()
    got = await seen.session.fetch(seen.attack.path, CAP_BYTES)
    if isinstance(got, FetchedFiles) and seen.sandbox.name == "bare":
        import pickle

        with contextlib.suppress(pickle.UnpicklingError):
            pickle.loads(got.files[seen.attack.path])
    return "it ran in the host" if os.path.lexists(seen.stage.planted["left"]) else ""


Observer = Callable[[Seen], Awaitable[str]]
OBSERVERS: Mapping[str, Observer] = {
    one.__name__: one
    for one in (
        told, secret, reached, came_through, back_door, bystander_touched, zygote_touched, sibling_dead,
        sibling_changed, sibling_file_changed, sibling_output_forged, answers_gone, library_changed, poisoned,
        ipc_changed, posix_queue_gone, left_behind, key_left, locked, survived, flooded, disguised, believed,
        late_word, held_up, handed_over, tree_handed_over, host_ran,
    )
}  # fmt: skip
