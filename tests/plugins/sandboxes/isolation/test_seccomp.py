"""What the filter of system calls adds where Landlock does not look."""

import subprocess
import sys
from pathlib import Path

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
