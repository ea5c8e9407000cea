"""The descriptors between the host and one process that becomes a kernel."""

import os
import socket
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ends:
    """Both ends of everything; the host closes `theirs` once the process has its own copies."""

    control: socket.socket
    life: int
    """Kept open for as long as the kernel shall live; a byte means: kill now."""
    report: int
    """Where its guardian says how it ended."""
    log: int
    """A file of what it says before it is enclosed."""
    their_control: socket.socket
    their_life: int
    their_report: int

    @classmethod
    def make(cls) -> "Ends":
        """Open all of them."""
        control, their_control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        their_life, life = os.pipe()
        report, their_report = os.pipe()
        log = os.memfd_create("jupyter", os.MFD_CLOEXEC)
        return cls(control, life, report, log, their_control, their_life, their_report)

    def close_theirs(self) -> None:
        """Let go of what belongs to the process."""
        self.their_control.close()
        os.close(self.their_life)
        os.close(self.their_report)

    def close_ours(self) -> None:
        """Let go of the host's ends."""
        self.control.close()
        for fd in (self.life, self.report, self.log):
            os.close(fd)
