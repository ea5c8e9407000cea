"""What an attack is: a program, and how one sees from outside that it got what it wanted."""

from dataclasses import dataclass
from enum import StrEnum

PRELUDE = """\
import ctypes, os, resource, signal, socket, struct, sys, threading, time
_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
def call(number, *args):
    words = [ctypes.c_long(one) if isinstance(one, int) else one for one in args]
    got = _libc.syscall(ctypes.c_long(number), *words)
    if got < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return got
def named(name):
    _libc.prctl(15, name.encode(), 0, 0, 0)
"""
"""Put before every attack. `call` makes a system call, `named` gives the process a name that is seen outside."""


class Off(StrEnum):
    """Where an attack has to succeed, or it does not count: what isolation is taken away."""

    USER = "L0, ordinary user"
    """Our own sandbox at level L0: resource limits and the watchdog, and nothing else."""
    ROOT = "L0, root"
    """The same for root, whom no limit on processes binds."""
    BARE = "no sandbox"
    """An interpreter of the host's own that runs the code by `exec`, and a host that believes what it reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """One hostile program."""

    name: str
    family: str
    aim: str
    """What it tries, in a few words."""
    code: str
    """`<<name>>` stands for what the stage plants under that name."""
    won: str
    """Name of the observer that tells from outside whether it succeeded."""
    off: Off = Off.USER
    needs: str = ""
    """What the machine must offer for the attack to be possible at all, see `machine`."""
    timeout_s: float = 45.0
    path: str = "submission.csv"
    """The file that is asked for afterwards, where the observer looks at one."""
