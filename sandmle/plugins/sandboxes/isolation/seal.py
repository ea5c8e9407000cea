"""Enclose the calling process for good: the steps of one session, in the order that works."""

import os
import signal
from typing import Final

from sandmle.core.contracts.sandbox import DATA_DIR
from sandmle.plugins.sandboxes.isolation import landlock, libc, mounts, namespaces, rlimits, seccomp
from sandmle.plugins.sandboxes.isolation.room import WORK, Plan, Profile, Room

_MAY_READ_ALL: Final = 1 << 2
"""CAP_DAC_READ_SEARCH, kept by a session that root gave another user id, because public files may be
readable for their owner only. It shows nothing more: what lies outside is not in the mount
namespace (or behind Landlock), and opening by handle is denied."""
_PROC_FILES: Final = ("/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/loadavg")
_SLACK_MB: Final = {Profile.CELL: 256, Profile.KERNEL: 2048, Profile.COLD: 16_384}


def seal(plan: Plan, room: Room) -> int:
    """Enclose this single-threaded process, and whatever it starts, in `room`.

    With namespaces, the caller is number 1 of a pid namespace whose root `build_root` made. Its
    working directory becomes the work directory and `TMPDIR` a temporary one beside it.

    Returns:
        A descriptor of the work directory, opened before any untrusted code could change it.

    Raises:
        OSError: the kernel refused a step; the process must then end.
    """
    # A zygote hides its memory, which would also hide from us our own maps of user ids.
    libc.prctl(libc.PR_SET_DUMPABLE, 1)
    work, temporary = _own_files(plan, room)
    directory = os.open(work, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    os.chdir(work)
    # CUDA reserves as many addresses as the GPUs and the machine have memory; then only what is used can be limited.
    rlimits.apply(room.limits, slack_mb=None if room.devices else _SLACK_MB[room.profile])
    already = 0 if plan.namespaces or plan.own_uid else rlimits.tasks_of_user(os.geteuid())
    _own_identity(plan, room.uid)
    # A change of identity makes the kernel forget whose death this process shall follow.
    libc.prctl(libc.PR_SET_PDEATHSIG, signal.SIGKILL)
    rlimits.cap_processes(room.limits, already=already)
    libc.prctl(libc.PR_SET_NO_NEW_PRIVS, 1)
    if plan.kernel_rules and plan.landlock:
        _landlock(plan, room, work, temporary)
    if not plan.own_uid:
        libc.set_capabilities(0)
    if plan.kernel_rules:
        seccomp.install(**_filter(plan, room.profile))
    return directory


def prepare(plan: Plan, profile: Profile) -> None:
    """Make ahead, in a zygote, what `seal` needs for all sessions alike."""
    if plan.kernel_rules and (plan.namespaces or plan.own_uid):
        seccomp.assemble(**_filter(plan, profile))


def _filter(plan: Plan, profile: Profile) -> dict[str, bool]:
    """What the system call filter is to be like."""
    return {
        "sockets": profile is Profile.KERNEL,
        "first_process": plan.namespaces,
        "in_group": not plan.namespaces,
        "only_self": not plan.namespaces and landlock.abi() < landlock.SIGNAL_SCOPE_ABI,
        "same_user": not plan.namespaces and not plan.own_uid,
    }


def _own_files(plan: Plan, room: Room) -> tuple[str, str]:
    """Make the work and temporary directories; their paths inside."""
    owner = room.uid if plan.own_uid else os.geteuid()
    if plan.own_uid:
        for path in room.shared_dirs:
            os.chown(path, owner, -1)
    if plan.namespaces:
        libc.unshare(libc.CLONE_NEWNS | libc.CLONE_NEWIPC)
        mounts.furnish(room, owner)
        return WORK, mounts.TEMPORARY
    work, temporary = f"{room.scratch}/work", f"{room.scratch}/tmp"
    for path in (work, temporary):
        os.mkdir(path, 0o700)
        os.chown(path, owner, -1)
    if room.public_dir is not None:
        os.symlink(room.public_dir, f"{work}/{DATA_DIR}")
    return work, temporary


def _own_identity(plan: Plan, uid: int) -> None:
    if plan.own_uid:
        libc.prctl(libc.PR_SET_KEEPCAPS, 1)
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        libc.set_capabilities(_MAY_READ_ALL)
    elif plan.namespaces:
        namespaces.become_nobody()
    # A changed user id hides /proc/self from its own process, which subprocess and others read.
    libc.prctl(libc.PR_SET_DUMPABLE, 1)


def _landlock(plan: Plan, room: Room, work: str, temporary: str) -> None:
    writable = [work, temporary, *mounts.DEVICES]
    if plan.namespaces:
        # All that is visible is meant to be read.
        readable = ["/"]
        writable.append("/dev/shm")
    else:
        readable = [*room.readable, *_PROC_FILES, "/sys/devices/system/cpu"]
        if room.devices:
            readable.append("/proc/driver/nvidia")
        if room.public_dir is not None:
            readable.append(room.public_dir)
    sockets = [temporary] if room.profile is Profile.KERNEL else []
    landlock.restrict(landlock.Access(read=readable, write=writable, sockets=sockets, devices=room.devices))
