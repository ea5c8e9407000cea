"""The first process of a container: calls the host over the mounted socket and becomes a zygote."""

import importlib.util
import os
import socket
import sys

from sandmle.plugins.sandboxes.docker import layout
from sandmle.plugins.sandboxes.process import wire, zygote


def main(wanted: str) -> None:
    """Say what this image has, take what the host sends, and serve until the host closes its pipe.

    Args:
        wanted: Names of modules, with commas, of which the host is told those that are not installed.
    """
    control = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    control.connect(layout.SOCKET)
    lacking = [name for name in wanted.split(",") if name and importlib.util.find_spec(name) is None]
    control.send(wire.pack({"python": list(sys.version_info[:2]), "lacking": lacking}))
    data, fds, _, _ = socket.recv_fds(control, len(layout.HELLO), 2)
    if data != layout.HELLO or len(fds) != 2:
        sys.exit("the host did not say hello")
    life, log = fds
    for stream in (1, 2):
        os.dup2(log, stream)
    os.mkdir(layout.ZYGOTE_SCRATCH, 0o711)
    zygote.main(control.detach(), life)
