"""A session's processes as seen from outside it: what they use, and ending them."""

import os
import signal
from collections.abc import Mapping, Sequence
from typing import Final

FILES_AT_MOST: Final = 32_768
"""Files and folders of one session, as many as its tmpfs has where it is one."""
_KIB: Final = 1024
_MORE_THAN_ANY_LIMIT: Final = 1 << 62


def started(pid: int) -> str | None:
    """When a living process began, in the kernel's ticks: a number used again differs in it."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            state, *fields = file.read().decode("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if state in "ZX" else fields[18]


def children_of_all() -> dict[int, list[int]]:
    """Every process that is alive and has children, with those children; a session's leader also with its members.

    What a session orphans, or forks beside itself, is below it in no other way.
    """
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    # The command's name may hold anything, but it ends at the last parenthesis.
                    _, parent, _, leader = file.read().rpartition(b")")[2].split()[:4]
            except (OSError, ValueError):
                continue
            for above in {int(parent), int(leader)} - {int(name)}:
                children.setdefault(above, []).append(int(name))
    return children


def descendants(pid: int, children: Mapping[int, list[int]] | None = None) -> list[int]:
    """`pid` and every process below it, in `children` (as `children_of_all` gives it) or now."""
    if children is None:
        children = children_of_all()
    found, open_ends = {pid: None}, [pid]
    while open_ends:
        below = [one for one in children.get(open_ends.pop(), []) if one not in found]
        found.update(dict.fromkeys(below))
        open_ends += below
    return list(found)


def memory_bytes(pids: list[int], above: int) -> int:
    """Memory of `pids` in bytes: resident pages, or, when those pass `above`, proportional shares.

    Resident pages count what forked processes share once for each, so they only raise suspicion.
    """
    cheap = sum(_field_sum(f"/proc/{pid}/status", (b"RssAnon:", b"RssShmem:")) for pid in pids)
    if cheap <= above:
        return cheap
    fields = (b"Pss_Anon:", b"Pss_Shmem:")
    exact = [_field_sum(f"/proc/{pid}/smaps_rollup", fields) for pid in pids]
    return sum(exact) if any(exact) else cheap


def _field_sum(path: str, fields: tuple[bytes, ...]) -> int:
    try:
        with open(path, "rb") as file:
            lines = file.read().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * _KIB for line in lines if line.startswith(fields))


def tree_files_bytes(path: str, pids: Sequence[int] = (), entries: int = FILES_AT_MOST) -> int:
    """Bytes in the files under `path`, where no file system bounds them, and in nameless ones that `pids` hold open.

    More than `entries` files count as more bytes than any limit: nothing can be hidden behind many.
    """
    total, open_ends = _nameless_bytes(path, pids), [path]
    while open_ends:
        try:
            with os.scandir(open_ends.pop()) as found:
                for entry in found:
                    entries -= 1
                    if entries < 0:
                        return _MORE_THAN_ANY_LIMIT
                    if entry.is_dir(follow_symlinks=False):
                        open_ends.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_blocks * 512
        except OSError:
            continue
    return total


def _nameless_bytes(path: str, pids: Sequence[int]) -> int:
    """Bytes in removed files of the file system of `path` that are still open."""
    held: dict[int, int] = {}
    try:
        device = os.stat(path).st_dev
    except OSError:
        return 0
    for pid in pids:
        try:
            with os.scandir(f"/proc/{pid}/fd") as found:
                for entry in found:
                    status = entry.stat()
                    if status.st_nlink == 0 and status.st_dev == device:
                        held[status.st_ino] = status.st_blocks * 512
        except OSError:
            continue
    return sum(held.values())


def kill_group(leader: int) -> None:
    """Kill the process `leader` and, when it leads one, its whole group."""
    for kill in (os.killpg, os.kill):
        try:
            kill(leader, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue


def kill_children() -> None:
    """Kill and reap every process below this one, again until there is none.

    The caller is a child subreaper, so that what it orphans comes to it.
    """
    while len(below := descendants(os.getpid())) > 1:
        for pid in below[1:]:
            kill_group(pid)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return


def remove(path: str) -> None:
    """Remove the directory `path` whatever was made in it: closed directories, any depth.

    Deep nesting is flattened on the way, so that neither recursion nor path length is a limit.
    What cannot be removed is left: the caller has no one to tell.
    """
    number = 0
    while True:
        try:
            with os.scandir(path) as found:
                entries = list(found)
        except OSError:
            return
        if not entries:
            break
        before = number
        for entry in entries:
            try:
                if not entry.is_dir(follow_symlinks=False):
                    os.unlink(entry.path)
                    number += 1
                    continue
                os.chmod(entry.path, 0o700)
                for name in os.listdir(entry.path):
                    number += 1
                    os.rename(f"{entry.path}/{name}", f"{path}/.{number}.removed")
                os.rmdir(entry.path)
                number += 1
            except OSError:
                continue
        if number == before:
            return
    os.rmdir(path)
