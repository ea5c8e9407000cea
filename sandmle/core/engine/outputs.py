"""What may be written over: a file that is made beside its place and then renamed takes the place of what is there."""

import os
from pathlib import Path
from typing import Final

from sandmle.core.engine.store import CONFIG, EPISODES, EVENTS, FAILURES, LOCK, USAGE
from sandmle.core.errors import UsageError

_RECORDS: Final = frozenset({CONFIG, EPISODES, EVENTS, FAILURES, LOCK, USAGE})


def check_output(path: Path) -> None:
    """See that nothing is lost when a file takes the place of `path`; folders are for the caller to judge.

    Raises:
        UsageError: a device or a pipe stands there, which would be gone from the machine, or a record of a run.
    """
    # Unlike the methods of paths, these also answer for a name that is too long to be one.
    is_special = os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)
    # Such as /dev/stdout, which leads to whatever file the shell has put there.
    is_link_of_devices = os.path.islink(path) and os.path.abspath(path).startswith("/dev/")
    if is_special or is_link_of_devices:
        raise UsageError(f"{path} is a device or a pipe; name a file (what --json prints can be sent anywhere)")
    if path.name in _RECORDS and os.path.isfile(path.parent / CONFIG):
        raise UsageError(f"{path} is a record of a run and is never replaced; name another file")
