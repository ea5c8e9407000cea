"""What a sandbox takes and gives back. A failing cell is data; a failing sandbox is an exception."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class IsolationLevel(StrEnum):
    """How strongly agent code is kept in, as shown by live attack probes (never by assumption)."""

    L3 = "L3"
    """Namespaces, Landlock and seccomp."""
    L2 = "L2"
    """One wall less: Landlock, seccomp, process-group kill and rlimits where namespaces are not allowed, or
    namespaces and seccomp where the kernel has no Landlock."""
    L1 = "L1"
    """A container as the outer ring, L2 inside."""
    L0 = "L0"
    """Rlimits only. Refused unless the user allows it by name."""


class CellStatus(StrEnum):
    """How one cell ended."""

    OK = "ok"
    ERROR = "error"
    """The code raised; the session goes on."""
    TIMEOUT = "timeout"
    """The host's deadline passed; the session is dead."""
    DIED = "died"
    """The session's process ended (out of memory, segfault, exit): see `Sandbox.check_health` for whose act it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellResult:
    """What running one cell gave. All text is untrusted: it was written by agent code."""

    status: CellStatus
    stdout: str
    """Decoded with replacement, control characters stripped, capped with head and tail kept."""
    stderr: str
    """As `stdout`; holds the traceback when `status` is `error`."""
    wall_s: float
    """Seconds between sending the code and its end, by the host's clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellOutput:
    """What a cell has written so far, cleaned and capped as in `CellResult`."""

    stdout: str
    stderr: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxLimits:
    """What one session may use."""

    memory_mb: int = 2048
    """Private memory of the session's whole process tree, MiB."""
    workdir_mb: int = 128
    """Size of the session's scratch directory, MiB."""
    processes: int = 32
    """Processes and threads the session may have at once."""
    output_chars: int = 16_000
    """Characters kept of each of stdout and stderr per cell, half from the head and half from the tail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedFiles:
    """Regular files copied out of a session's work directory: relative POSIX path to bytes."""

    files: Mapping[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchRefusal:
    """Why a file was not handed over: the agent's doing, so data and no exception."""

    path: str
    reason: str
    """For example: does not exist, is a symbolic link, is not a regular file, is larger than N bytes."""
