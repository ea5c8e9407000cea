"""The guardian: a small process that outlives nothing, and lets nothing outlive the host."""

import contextlib
import os
import select
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sandmle.plugins.sandboxes.isolation import libc, mounts, namespaces, tree
from sandmle.plugins.sandboxes.isolation.room import Plan

MEMORY_EXIT: Final = 121
"""Exit status of a guardian that ended its child for using too much memory."""
DISK_EXIT: Final = 122
"""Exit status of a guardian that ended its child for writing too much."""
_TICK_MS: Final = 100
_IDLE_TICK_MS: Final = 500
_MIB: Final = 1024 * 1024


def guard(
    plan: Plan,
    *,
    life_fd: int,
    scratch: str,
    readable: Sequence[str],
    shared_dirs: Sequence[str] = (),
    devices: Sequence[str] = (),
    memory_mb: int | None = None,
    scratch_mb: int | None = None,
    linger: bool = False,
) -> None:
    """Fork; the child returns from here enclosed, and the parent stays as its guardian and never returns.

    The guardian kills everything below it and removes `scratch` when the other end of the pipe
    `life_fd` is closed (the host ended, however it ended) or when its child ends. It exits with the
    child's status, `128 + signal`, or `MEMORY_EXIT`. With namespaces the child is number 1 of its
    own pid namespace and its root holds only `readable` and `shared_dirs`.

    Args:
        plan: How strongly to enclose. `seal` does the rest.
        life_fd: The read end of a pipe whose write end only the host holds.
        scratch: A directory on the machine that goes away with the guardian.
        readable: Paths shown read-only, see `interpreter_paths`.
        shared_dirs: Existing directories kept writable under their own path, for a kernel's sockets.
        devices: Device files that are there under their own path.
        memory_mb: End the child when its tree uses more; `None` where the child watches itself.
        scratch_mb: End the child when the files in `scratch` take more; `None` where a file system bounds them.
        linger: Once nothing below is alive, write the exit status to standard output and stay, with
            `scratch` in place, until `life_fd` is closed. A byte on `life_fd` means: kill now.

    Raises:
        OSError: the kernel refused; the caller must end.
    """
    own, host = os.getpid(), os.getppid()
    os.umask(0o022)
    os.chdir("/")
    if plan.namespaces:
        namespaces.enter_outer(new_user=plan.new_user)
    libc.prctl(libc.PR_SET_CHILD_SUBREAPER, 1)
    child = os.fork()
    if child:
        status = _watch(child, host, life_fd, _Bounds(scratch, memory_mb, scratch_mb))
        if linger:
            _linger(status, host, life_fd)
        tree.remove(scratch)
        os._exit(status)
    os.close(life_fd)
    libc.prctl(libc.PR_SET_PDEATHSIG, signal.SIGKILL)
    # A guardian that died before the line above sent no signal; in a pid namespace it has no number.
    if not plan.namespaces and os.getppid() != own:
        os._exit(1)
    if plan.namespaces:
        mounts.build_root(readable, shared_dirs, devices)


@dataclass(frozen=True, slots=True)
class _Bounds:
    """What the child's tree may use, where the guardian is the one to look."""

    scratch: str
    memory_mb: int | None
    scratch_mb: int | None

    def exceeded(self, child: int) -> int | None:
        """The exit status that says which bound is passed."""
        if self.memory_mb is not None:
            limit = self.memory_mb * _MIB
            if tree.memory_bytes(tree.descendants(child), limit) > limit:
                return MEMORY_EXIT
        if self.scratch_mb is not None:
            room = self.scratch_mb * _MIB
            if tree.tree_files_bytes(self.scratch, tree.descendants(child)) > room:
                return DISK_EXIT
        return None


def _watch(child: int, host: int, life_fd: int, bounds: _Bounds) -> int:
    """Wait for the end of the host or of `child`, then leave nothing alive; the exit status."""
    _let_go_of_everything_but(life_fd)
    ended = os.pidfd_open(child)
    poll = select.poll()
    for fd in (life_fd, ended):
        poll.register(fd, select.POLLIN | select.POLLHUP)
    status = None
    tick_ms = _IDLE_TICK_MS if bounds.memory_mb is None else _TICK_MS
    # The parent is looked at too, because a process that the host forked may hold the pipe open.
    while status is None and not poll.poll(tick_ms) and os.getppid() == host:
        status = bounds.exceeded(child)
    tree.kill_group(child)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    tree.kill_children()
    if status is None:
        status = code if code >= 0 else 128 - code
    return status


def _linger(status: int, host: int, life_fd: int) -> None:
    # When it was the host that ended, nobody is there to be told.
    with contextlib.suppress(BrokenPipeError):
        os.write(1, str(status).encode())
    os.close(1)
    os.set_blocking(life_fd, False)
    while os.getppid() == host:
        select.select([life_fd], [], [], _IDLE_TICK_MS / 1000)
        try:
            if not os.read(life_fd, 64):
                return
        except BlockingIOError:
            continue


def _let_go_of_everything_but(life_fd: int) -> None:
    """Close the child's channels, or nobody could tell from them that the child is gone.

    The host is heard through `life_fd`; a terminal's signals meant for it must not end this process.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.close()
    os.closerange(3, life_fd)
    os.closerange(life_fd + 1, 4096)
