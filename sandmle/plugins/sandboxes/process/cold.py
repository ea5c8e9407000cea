"""Sessions in a fresh interpreter: exec'd, where the others are forked from one that has everything imported.

CUDA cannot be used in a process whose parent has used it, and threads of numerical libraries do not outlive a
fork. So here the zygote imports nothing, and what it forks becomes an interpreter of its own before it is
enclosed, with as many threads as there are processors. Everything after that is as in the other sessions.
"""

import fcntl
import json
import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, NoReturn

from sandmle.plugins.sandboxes.isolation import Plan
from sandmle.plugins.sandboxes.isolation.room import OLD_ROOT
from sandmle.plugins.sandboxes.process.child import FDS_OF_A_SESSION, Birthplace, become_session

_BOOT: Final = """
import os, sys, types
sandmle = sys.modules["sandmle"] = types.ModuleType("sandmle")
sandmle.__path__ = [os.path.join(os.getcwd(), "sandmle")]
from sandmle.plugins.sandboxes.process.cold import main
main()
"""
_FIRST_FD: Final = 100
_BIRTH_FD: Final = _FIRST_FD + FDS_OF_A_SESSION
_OF_ZYGOTES_ONLY: Final = ("PYTHONMALLOC", "GLIBC_TUNABLES", "LOKY_MAX_CPU_COUNT")


def exec_session(place: Birthplace, message: Mapping[str, Any], fds: list[int]) -> NoReturn:
    """In a forked child: become a fresh interpreter that becomes the session which `message` asks for."""
    channel = fds[0]
    try:
        known = {"plan": asdict(place.plan), "scratch": place.scratch, "readable": place.readable}
        _hand_over({**known, "devices": place.devices, "message": dict(message), "path": sys.path}, fds)
        channel = _FIRST_FD
        os.chdir(_source_root(place.plan))
        words = [sys.executable, "-s", "-P", "-c", _BOOT]
        os.execve(sys.executable, words, _environment(message["limits"]["processes"]))
    except OSError as problem:
        socket.socket(fileno=channel).send(f"no fresh interpreter could be started: {problem}".encode())
    finally:
        os._exit(1)


def main() -> NoReturn:
    """In the fresh interpreter: take what was handed over and become the session."""
    with os.fdopen(_BIRTH_FD, "rb") as birth:
        said = json.load(birth)
    sys.path[:] = said["path"]
    place = Birthplace(
        plan=Plan(**said["plan"]),
        scratch=said["scratch"],
        readable=tuple(said["readable"]),
        own_modules=tuple(name for name in sys.modules if name.split(".")[0] == "sandmle"),
        cold=True,
        devices=tuple(said["devices"]),
    )
    become_session(place, said["message"], [_FIRST_FD + at for at in range(FDS_OF_A_SESSION)])


def _hand_over(birth: dict[str, Any], fds: list[int]) -> None:
    """Leave open, for the interpreter to come, what it needs; a command line could be read inside."""
    memory = os.memfd_create("birth")
    os.write(memory, json.dumps(birth).encode())
    os.lseek(memory, 0, os.SEEK_SET)
    # Out of the way first: a descriptor may have one of the numbers that are to be given.
    moved = [fcntl.fcntl(fd, fcntl.F_DUPFD, 2 * _FIRST_FD) for fd in (*fds, memory)]
    for at, fd in enumerate(moved):
        os.dup2(fd, _FIRST_FD + at)
    os.closerange(3, _FIRST_FD)
    os.closerange(_BIRTH_FD + 1, 65_536)


def _source_root(plan: Plan) -> str:
    root = str(Path(__file__).parents[4])
    # Where our own code is after the root was replaced; `__file__` is from before.
    return OLD_ROOT + root if plan.namespaces else root


def _environment(processes: int) -> dict[str, str]:
    """That of the zygote without what serves forking, and half the processes allowed may be threads of a library."""
    threads = str(max(1, min(len(os.sched_getaffinity(0)), processes // 2)))
    return {
        name: threads if name.endswith("_NUM_THREADS") else value
        for name, value in os.environ.items()
        if name not in _OF_ZYGOTES_ONLY
    }
