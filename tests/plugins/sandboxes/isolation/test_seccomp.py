"""What the filter of system calls adds where Landlock does not look."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

_INSIDE = """
import os, shutil, sys
from sandmle.plugins.sandboxes.isolation import libc, seccomp
libc.prctl(libc.PR_SET_NO_NEW_PRIVS, 1)
seccomp.install(sockets=False, first_process=False, in_group=True, only_self=False, same_user=True)
path = sys.argv[1]
held = os.open(path, os.O_RDONLY)
os.chmod(path, 0)
os.chmod(held, 0)
os.utime(path, (1, 1))
os.utime(held, (1, 1))
for change in (
    lambda: os.chown(path, os.getuid(), os.getgid()),
    lambda: os.chown(held, os.getuid(), os.getgid()),
    lambda: os.setxattr(path, "user.x", b"1"),
    lambda: os.setxattr(held, "user.x", b"1"),
):
    try:
        change()
    except PermissionError:
        continue
    sys.exit("was allowed")
shutil.copy2(path, path + ".copy")
"""


def test_files_of_the_same_user_keep_mode_time_owner_and_attributes_and_can_be_copied(tmp_path: Path) -> None:
    file = tmp_path / "answers.csv"
    file.write_text("id,y\n")
    before = file.stat()
    done = subprocess.run([sys.executable, "-c", _INSIDE, file], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    after = file.stat()
    assert (after.st_mode, after.st_mtime_ns, after.st_ctime_ns) == (
        before.st_mode, before.st_mtime_ns, before.st_ctime_ns,
    )  # fmt: skip
    assert (tmp_path / "answers.csv.copy").read_text() == "id,y\n"


_AT_ANOTHER = """
import fcntl, os, resource, socket, sys
from sandmle.plugins.sandboxes.isolation import libc, seccomp
other, own, alone = int(sys.argv[1]), os.getpid(), sys.argv[2] == "alone"
libc.prctl(libc.PR_SET_NO_NEW_PRIVS, 1)
seccomp.install(sockets=False, first_process=False, in_group=True, only_self=alone, same_user=True)
one, _ = socket.socketpair()
calls = [
    lambda pid: resource.prlimit(pid, resource.RLIMIT_CPU, (1000, 1000)),
    lambda pid: os.setpriority(os.PRIO_PROCESS, pid, 19),
    lambda pid: os.sched_setaffinity(pid, os.sched_getaffinity(0)),
    lambda pid: os.sched_setscheduler(pid, os.SCHED_BATCH, os.sched_param(0)),
]
for call in calls:
    call(0)
    call(own)
    try:
        call(other)
    except PermissionError:
        continue
    sys.exit("was allowed")
for call in (lambda: os.setpriority(os.PRIO_USER, os.getuid(), 19), lambda: fcntl.fcntl(one, fcntl.F_SETOWN, other)):
    try:
        call()
    except PermissionError:
        continue
    if alone:
        sys.exit("was allowed")
"""


@pytest.mark.parametrize("signals", ["alone", "scoped"])
def test_limits_priorities_and_processors_can_be_changed_of_oneself_only(signals: str) -> None:
    words = [sys.executable, "-c", _AT_ANOTHER, str(os.getpid()), signals]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
