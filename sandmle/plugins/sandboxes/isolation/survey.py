"""What agent code can still see or do from inside a session: asked in one, harmless, and said in words.

The start-up probes (`probes.attack`) decide the level; this goes through what is known to leak or to have let
programs out before, so that a person reads what remains open on this machine and not what ought to be.
"""

import json
import os
import platform
from typing import Final

from sandmle.core.contracts.sandbox import SandboxSession
from sandmle.core.errors import SandboxError
from sandmle.core.types.sandbox import CellStatus
from sandmle.plugins.sandboxes.isolation import seccomp
from sandmle.plugins.sandboxes.isolation.probes import Targets, Verdict, attack, targets

_DEADLINE_S: Final = 60.0
_LEAKS: Final = {
    "names": ("whether a file outside exists, its size and times", "os.stat({path!r})"),
    "memory": ("the memory of processes outside", "os.open('/proc/{pid}/mem', os.O_RDONLY)"),
    "arguments": ("command lines of processes outside", "assert open('/proc/{pid}/cmdline').read()"),
    "environment": ("the environment of processes outside", "assert open('/proc/{pid}/environ').read()"),
    "limits": ("limits of processes outside can be changed", "resource.prlimit({pid}, resource.RLIMIT_CORE)"),
    "processors": (
        "processes outside can be tied to processors",
        "os.sched_setaffinity({pid}, os.sched_getaffinity({pid}))",
    ),
    "priority": (
        "processes outside can be made to wait",
        "os.setpriority(os.PRIO_PROCESS, {pid}, os.getpriority(os.PRIO_PROCESS, {pid}))",
    ),
    "connections": (
        "the machine's open network connections can be listed",
        "assert ':%04X ' % {port} in open('/proc/net/tcp').read()",
    ),
    "mounts": (
        "paths of the machine stand in the list of mounts",
        "assert any(line.split()[3] != '/' for line in open('/proc/self/mountinfo'))",
    ),
    "host name": ("the machine's name", "assert socket.gethostname() == {host!r}"),
    "accounts": ("accounts of the machine", "assert open('/etc/passwd').read() == {accounts!r}"),
    "internet sockets": ("internet sockets can be made", "socket.socket().close()"),
    "UNIX sockets": ("UNIX sockets can be made", "socket.socket(socket.AF_UNIX).close()"),
    "shared memory": (
        "notes can be left in /dev/shm of the machine",
        "assert os.stat('/dev/shm').st_dev == {shm}; os.close(os.open('/dev/shm', os.O_TMPFILE | os.O_RDWR))",
    ),
}
"""By name: what is open when the code comes to its end, and the code."""
_CALLS: Final = {
    "unshare": "namespaces", "setns": "namespaces", "mount": "mounting", "ptrace": "tracing",
    "process_vm_readv": "reading the memory of processes", "pidfd_getfd": "taking descriptors of processes",
    "kcmp": "comparing processes", "perf_event_open": "performance counters", "bpf": "programs in the kernel",
    "io_uring_setup": "io_uring", "userfaultfd": "userfaultfd", "add_key": "keyrings", "keyctl": "keyrings",
    "memfd_create": "memory that no limit counts", "shmget": "System V memory", "shmctl": "System V memory",
    "msgget": "System V queues", "msgrcv": "System V queues", "semctl": "System V semaphores",
    "mq_open": "POSIX queues", "mq_unlink": "POSIX queues", "inotify_add_watch": "watching files of others",
    "name_to_handle_at": "files by number", "open_tree": "taking hold of mounts", "personality": "personalities",
    "fanotify_init": "watching file systems",
}  # fmt: skip
_CODE: Final = """
import ctypes, errno, json, os, resource, socket
libc = ctypes.CDLL(None, use_errno=True)
found = {{}}
for name, code in {leaks!r}.items():
    try:
        exec(code)
        found[name] = "open"
    except (OSError, AssertionError, ValueError) as problem:
        found[name] = str(problem) or "not seen"
for name, number in {calls!r}.items():
    # Arguments that no kernel accepts: whether the call is denied shows, and nothing happens.
    wrong = [ctypes.c_long(-1)] * 6
    if libc.syscall(ctypes.c_long(number), *wrong) < 0 and ctypes.get_errno() in (errno.EPERM, errno.ENOSYS):
        found[name] = os.strerror(ctypes.get_errno())
    else:
        found[name] = "open"
print(json.dumps(found))
"""


async def survey(session: SandboxSession) -> tuple[Verdict, ...]:
    """Attack as at the start, then try everything known to leak; one verdict each, in words.

    Raises:
        SandboxError: the session could not run it.
    """
    verdicts = await attack(session)
    with targets() as outside:
        code = _CODE.format(leaks=_filled(outside), calls=_numbers())
        result = await session.run(code, _DEADLINE_S)
    if result.status is not CellStatus.OK:
        raise SandboxError(f"the survey could not run: {result.status}: {result.stderr}")
    seen: dict[str, str] = json.loads(result.stdout)
    words = {name: what for name, (what, _) in _LEAKS.items()} | {
        name: f"the system call {name} ({what})" for name, what in _CALLS.items()
    }
    return verdicts + tuple(
        Verdict(name=name, held=answer != "open", detail=words[name] if answer == "open" else answer)
        for name, answer in seen.items()
    )


def _filled(outside: Targets) -> dict[str, str]:
    places = {
        "path": outside.path,
        "port": outside.listener.getsockname()[1],
        "pid": outside.process.pid,
        "host": platform.node(),
        "accounts": _text_of("/etc/passwd"),
        "shm": os.stat("/dev/shm").st_dev if os.path.isdir("/dev/shm") else -1,
    }
    return {name: code.format(**places) for name, (_, code) in _LEAKS.items()}


def _text_of(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _numbers() -> dict[str, int]:
    known = {name: seccomp.number_of(name) for name in _CALLS}
    return {name: number for name, number in known.items() if number is not None}
