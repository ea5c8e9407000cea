"""Whose a container is, written on it, so that what a dead host left behind can be told from the rest."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from sandmle.plugins.sandboxes.isolation import tree

MARK: Final = "sandmle.sandbox"
BACKEND: Final = "docker"
_PREFIX: Final = "sandmle.owner."


def own_labels() -> dict[str, str]:
    """The labels of a container that this process starts."""
    return {MARK: BACKEND, **{f"{_PREFIX}{name}": value for name, value in _identity(os.getpid()).items()}}


def is_left_behind(labels: Mapping[str, str]) -> bool:
    """Whether the process that started a container with these labels is surely gone.

    Only containers of this user are judged, and of this pid namespace unless the machine was started
    anew since: another one's process ids mean nothing here.
    """
    said = {name.removeprefix(_PREFIX): value for name, value in labels.items() if name.startswith(_PREFIX)}
    here = _identity(os.getpid())
    if labels.get(MARK) != BACKEND or said.get("uid") != here["uid"] or not said.get("pid", "").isdecimal():
        return False
    if said.get("boot") != here["boot"]:
        return True
    if said.get("pid-namespace") != here["pid-namespace"]:
        return False
    return tree.started(int(said["pid"])) != said.get("started")


def _identity(pid: int) -> dict[str, str]:
    return {
        "pid": str(pid),
        "started": tree.started(pid) or "",
        "boot": Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip(),
        "pid-namespace": str(os.stat("/proc/self/ns/pid").st_ino),
        "uid": str(os.geteuid()),
    }
