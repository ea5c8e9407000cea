"""A seccomp filter, assembled by hand: which system calls agent code may not make.

A deny list on purpose: scientific libraries use most of the harmless calls there are. What is
denied reaches into other processes, changes mounts or namespaces, opens the network, escapes the
memory limits (memfd, System V memory), meets strangers (queues, semaphores), watches files of others
or talks to rarely tested parts of the kernel.
"""

import errno
import os
import signal
import socket
import struct
from functools import cache
from typing import Final

from sandmle.plugins.sandboxes.isolation import libc

_ARCHES: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32_BIT: Final = 0x40000000

# name: (x86_64, aarch64); None where the architecture has no such call.
_NUMBERS: Final[dict[str, tuple[int | None, int | None]]] = {
    "acct": (163, 89), "add_key": (248, 217), "adjtimex": (159, 171), "bpf": (321, 280),
    "chroot": (161, 51), "clock_adjtime": (305, 266), "clock_settime": (227, 112),
    "connect": (42, 203), "delete_module": (176, 106), "fanotify_init": (300, 262),
    "finit_module": (313, 273), "fsconfig": (431, 431), "fsmount": (432, 432),
    "fsopen": (430, 430), "fspick": (433, 433), "init_module": (175, 105),
    "inotify_add_watch": (254, 27),
    "io_uring_enter": (426, 426), "io_uring_register": (427, 427), "io_uring_setup": (425, 425),
    "ioperm": (173, None), "iopl": (172, None), "kcmp": (312, 272),
    "kexec_file_load": (320, 294), "kexec_load": (246, 104), "keyctl": (250, 219),
    "memfd_create": (319, 279), "memfd_secret": (447, 447), "modify_ldt": (154, None),
    "mount": (165, 40), "mount_setattr": (442, 442), "move_mount": (429, 429),
    "mq_open": (240, 180), "mq_unlink": (241, 181), "msgctl": (71, 187), "msgget": (68, 186),
    "msgrcv": (70, 188), "msgsnd": (69, 189), "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265), "open_tree": (428, 428), "perf_event_open": (298, 241),
    "personality": (135, 92), "pidfd_getfd": (438, 438), "pivot_root": (155, 41),
    "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "ptrace": (101, 117),
    "quotactl": (179, 60), "reboot": (169, 142), "request_key": (249, 218),
    "semctl": (66, 191), "semget": (64, 190), "semop": (65, 193), "semtimedop": (220, 192),
    "setdomainname": (171, 162), "sethostname": (170, 161),
    "setns": (308, 268), "settimeofday": (164, 170), "shmat": (30, 196), "shmctl": (31, 195), "shmget": (29, 194),
    "swapoff": (168, 225), "swapon": (167, 224), "syslog": (103, 116), "umount2": (166, 39),
    "unshare": (272, 97), "userfaultfd": (323, 282), "vhangup": (153, 58),
}  # fmt: skip
_SPECIAL: Final[dict[str, tuple[int, int]]] = {
    "clone": (56, 220), "clone3": (435, 435), "kill": (62, 129), "pidfd_send_signal": (424, 424),
    "prctl": (157, 167), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240), "setpgid": (109, 154),
    "setsid": (112, 157), "socket": (41, 198), "socketpair": (53, 199), "tgkill": (234, 131),
    "tkill": (200, 130),
}  # fmt: skip

_SELF_ONLY: Final[dict[str, tuple[tuple[int, int], tuple[int | None, int]]]] = {
    "ioprio_set": ((251, 30), (1, 1)), "prlimit64": ((302, 261), (None, 0)),
    "sched_setaffinity": ((203, 122), (None, 0)), "sched_setattr": ((314, 274), (None, 0)),
    "sched_setparam": ((142, 118), (None, 0)), "sched_setscheduler": ((144, 119), (None, 0)),
    "setpriority": ((141, 140), (0, 1)),
}  # fmt: skip
"""What one process may do to another of the same user, and no Landlock looks at: numbers, then the first
argument that means one process (None where it is always one) and which argument is the process."""
_OWNERS: Final = {"fcntl": ((72, 25), (8, 15)), "ioctl": ((16, 29), (0x8901, 0x8902))}
"""Numbers and commands (F_SETOWN, F_SETOWN_EX, FIOSETOWN, SIOCSPGRP) that name who is signalled by input."""

# Landlock does not look at these, so that without a mount namespace they reach every file of the same user.
_PRETENDED: Final[dict[str, tuple[int | None, int | None]]] = {
    "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452),
    "futimesat": (261, None), "utime": (132, None), "utimensat": (280, 88), "utimes": (235, None),
}  # fmt: skip
"""Answered with success and not done: copying a file, as `shutil.copy` does, ends with them."""
_METADATA: Final[dict[str, tuple[int | None, int | None]]] = {
    "chown": (92, None), "fchown": (93, 55), "fchownat": (260, 54), "file_setattr": (469, 469),
    "fremovexattr": (199, 16), "fsetxattr": (190, 7), "lchown": (94, None), "lremovexattr": (198, 15),
    "lsetxattr": (189, 6), "removexattr": (197, 14), "removexattrat": (466, 466),
    "setxattr": (188, 5), "setxattrat": (463, 463),
}  # fmt: skip

_NEW_NAMESPACES: Final = 0x7E020080
"""Every CLONE_NEW* flag that `clone` takes."""
_DEADLY: Final = (signal.SIGABRT, signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM)

_LD, _JEQ, _JGE, _JSET, _AND, _RET = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_ALLOW, _ERRNO, _KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000


def supported() -> bool:
    """Whether the filter knows this machine's system calls."""
    return os.uname().machine in _ARCHES


def number_of(name: str) -> int | None:
    """This machine's number of a system call that is always denied; None where it has none or is not known."""
    machine = os.uname().machine
    return _NUMBERS[name][list(_ARCHES).index(machine)] if machine in _ARCHES else None


def install(*, sockets: bool, first_process: bool, in_group: bool, only_self: bool, same_user: bool) -> None:
    """Filter this process and its children from now on; needs no-new-privileges to be set.

    Args:
        sockets: Allow listening on UNIX stream sockets (a Jupyter kernel does); never connecting.
        first_process: This process is number 1 of a pid namespace, whom the kernel shields from
            its own deadly signals: sending itself one ends it here as it would anywhere else.
        in_group: Deny leaving the process group, because the group is what will be killed.
        only_self: Deny signals to any process but this, where Landlock cannot scope them.
        same_user: Files and processes outside belong to the same user: change no mode, time, owner or
            attribute, and no limit, priority or processor of another process.

    Raises:
        OSError: the kernel refused.
        KeyError: an architecture `supported` does not know.
    """
    own = {"own": os.getpid()} if only_self or same_user else {}
    program = assemble(
        sockets=sockets, first_process=first_process, in_group=in_group, only_self=only_self, same_user=same_user, **own
    )
    libc.install_filter(program)


@cache
def assemble(
    *, sockets: bool, first_process: bool, in_group: bool, only_self: bool, same_user: bool, own: int = 0
) -> bytes:
    """The filter that `install` takes, for the process number `own`; 0 where none is looked at.

    Kept, so that a zygote makes it once for all of its sessions.
    """
    column = list(_ARCHES).index(os.uname().machine)
    program = [
        _op(_LD, 4), _op(_JEQ, _ARCHES[os.uname().machine], 1, 0), _op(_RET, _KILL_PROCESS),
        _op(_LD, 0), _op(_JGE, _X32_BIT, 0, 1), _deny(errno.ENOSYS),
    ]  # fmt: skip
    number = {name: both[column] for name, both in _SPECIAL.items()}
    for both in _NUMBERS.values():
        denied = both[column]
        if denied is not None:
            program += _when(denied, [_deny(errno.EPERM)])
    if same_user:
        program += _metadata_rules(column) + _self_only_rules(column, own)
    # Without clone3, whose flags lie in memory, the flags of clone can be looked at.
    program += _when(number["clone3"], [_deny(errno.ENOSYS)])
    program += _when(
        number["clone"],
        [_arg(0), _op(_JSET, _NEW_NAMESPACES, 0, 1), _deny(errno.EPERM), _op(_RET, _ALLOW)],
    )
    # Whose death ends this process is not for agent code to change.
    program += _when(
        number["prctl"],
        [_arg(0), _op(_JEQ, libc.PR_SET_PDEATHSIG, 0, 1), _deny(errno.EPERM), _op(_RET, _ALLOW)],
    )
    program += _socket_rules(number, sockets=sockets)
    if in_group:
        for name in ("setsid", "setpgid"):
            program += _when(number[name], [_deny(errno.EPERM)])
    if only_self:
        program += _signals_to_self_only(number, column, own)
    elif first_process:
        program += _deadly_to_self(number)
    program.append(_op(_RET, _ALLOW))
    return b"".join(program)


def _metadata_rules(column: int) -> list[bytes]:
    rules: list[bytes] = []
    for table, answer in ((_PRETENDED, _deny(0)), (_METADATA, _deny(errno.EPERM))):
        for both in table.values():
            call = both[column]
            if call is not None:
                rules += _when(call, [answer])
    return rules


def _socket_rules(number: dict[str, int], *, sockets: bool) -> list[bytes]:
    """No socket but, for a kernel, a UNIX stream; pairs only of kinds that cannot be readdressed."""
    rules = _when(
        number["socketpair"],
        [
            _arg(1), _op(_AND, 0xF), _op(_JEQ, socket.SOCK_STREAM, 2, 0),
            _op(_JEQ, socket.SOCK_SEQPACKET, 1, 0), _deny(errno.EPERM), _op(_RET, _ALLOW),
        ],
    )  # fmt: skip
    if not sockets:
        return rules + _when(number["socket"], [_deny(errno.EPERM)])
    return rules + _when(
        number["socket"],
        [
            _arg(0), _op(_JEQ, socket.AF_UNIX, 0, 3), _arg(1), _op(_AND, 0xF),
            # Said so that libzmq, which stock kernels use, goes on without; with EPERM it ends its process.
            _op(_JEQ, socket.SOCK_STREAM, 1, 0), _deny(errno.EOPNOTSUPP), _op(_RET, _ALLOW),
        ],
    )  # fmt: skip


def _self_only_rules(column: int, own: int) -> list[bytes]:
    rules: list[bytes] = []
    for numbers, (kind, where) in _SELF_ONLY.values():
        body = [_arg(where), _op(_JEQ, 0, 2, 0), _op(_JEQ, own, 1, 0), _deny(errno.EPERM), _op(_RET, _ALLOW)]
        if kind is not None:
            body = [_arg(0), _op(_JEQ, kind, 1, 0), _deny(errno.EPERM), *body]
        rules += _when(numbers[column], body)
    return rules


def _signals_to_self_only(number: dict[str, int], column: int, own: int) -> list[bytes]:
    rules: list[bytes] = []
    for numbers, (one, other) in _OWNERS.values():
        body = [_arg(1), _op(_JEQ, one, 1, 0), _op(_JEQ, other, 0, 1), _deny(errno.EPERM), _op(_RET, _ALLOW)]
        rules += _when(numbers[column], body)
    for name in ("kill", "tgkill"):
        body = [_arg(0), _op(_JEQ, own, 1, 0), _deny(errno.EPERM), _op(_RET, _ALLOW)]
        rules += _when(number[name], body)
    for name in ("tkill", "pidfd_send_signal", "rt_sigqueueinfo", "rt_tgsigqueueinfo"):
        rules += _when(number[name], [_deny(errno.EPERM)])
    return rules


def _deadly_to_self(number: dict[str, int]) -> list[bytes]:
    rules: list[bytes] = []
    for name, where in (("kill", 1), ("tkill", 1), ("tgkill", 2)):
        body = [_arg(0), _op(_JEQ, 1, 0, len(_DEADLY) + 1), _arg(where)]
        left = len(_DEADLY)
        for deadly in _DEADLY:
            body.append(_op(_JEQ, deadly, left, 0))
            left -= 1
        rules += _when(number[name], [*body, _op(_RET, _ALLOW), _op(_RET, _KILL_PROCESS)])
    return rules


def _op(code: int, value: int, jump_true: int = 0, jump_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, jump_true, jump_false, value)


def _arg(index: int) -> bytes:
    """Load the low 32 bits of an argument; every argument looked at is an int in the kernel."""
    return _op(_LD, 16 + 8 * index)


def _deny(number: int) -> bytes:
    return _op(_RET, _ERRNO | number)


def _when(call: int, body: list[bytes]) -> list[bytes]:
    """`body`, which must return, for the system call `call`; others jump over it."""
    return [_op(_JEQ, call, 0, len(body)), *body]
