"""What this machine offers an attacker anyway; an attack that needs more says so and is skipped, with the reason."""

import ctypes
import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)


def _called(number: int, *args: object) -> bool:
    words = [ctypes.c_long(one) if isinstance(one, int) else one for one in args]
    got = _LIBC.syscall(ctypes.c_long(number), *words)
    if got >= 0:
        os.close(got)
    return got >= 0


def _setting(path: str, *wanted: str) -> bool:
    file = Path("/proc/sys") / path
    return not file.exists() or file.read_text().strip() in wanted


def _is_x86() -> bool:
    return os.uname().machine == "x86_64"


def _has_socket(family: int, kind: int, protocol: int = 0) -> bool:
    try:
        socket.socket(family, kind, protocol).close()
    except OSError:
        return False
    return True


def _has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


def _has_user_namespaces() -> bool:
    pid = os.fork()
    if pid == 0:
        os._exit(0 if _LIBC.unshare(0x10000000) == 0 else 1)
    return os.waitpid(pid, 0)[1] == 0


NEEDS: Mapping[str, Callable[[], bool]] = {
    "": lambda: True,
    "x86_64": _is_x86,
    "no Yama": lambda: _is_x86() and _setting("kernel/yama/ptrace_scope", "0"),
    "io_uring": lambda: _is_x86() and _called(425, 1, ctypes.create_string_buffer(256)),
    "userfaultfd": lambda: _is_x86() and _called(323, 1),
    "perf events": lambda: _is_x86() and _setting("kernel/perf_event_paranoid", "-1", "0", "1", "2"),
    "memfd_secret": lambda: _is_x86() and _called(447, 0),
    "unprivileged bpf": lambda: _is_x86() and _setting("kernel/unprivileged_bpf_disabled", "0"),
    "dmesg": lambda: _is_x86() and _setting("kernel/dmesg_restrict", "0"),
    "user namespaces": lambda: _is_x86() and _has_user_namespaces(),
    "AF_ALG": lambda: _has_socket(38, socket.SOCK_SEQPACKET),
    "AF_VSOCK": lambda: _has_socket(40, socket.SOCK_STREAM),
    "MPTCP": lambda: _has_socket(socket.AF_INET, socket.SOCK_STREAM, 262),
    "IPv6": _has_ipv6,
    "a keyring": lambda: _is_x86() and _LIBC.syscall(ctypes.c_long(250), 0, -4, 1) >= 0,
    "a user of its own": lambda: os.geteuid() >= 60_000,
    "pseudo-terminals": lambda: os.path.isdir("/dev/pts"),
    "/dev/shm": lambda: os.access("/dev/shm", os.W_OK),
}
"""By the name that an attack gives; asked in the process that stages the attack, as its user."""
