"""Where things lie inside a container, and what its first process and the host say to one another."""

from typing import Final

CODE: Final = "/sandmle/code"
"""Our own package, read-only; out of reach for sessions."""
RUN: Final = "/sandmle/run"
"""Holds the socket that the zygote calls once."""
SOCKET: Final = f"{RUN}/control"
LOG: Final = "/sandmle/log"
"""Where the first process writes what goes wrong before it has called."""
SCRATCH: Final = "/sandmle/scratch"
"""A tmpfs for the files of all sessions."""
ZYGOTE_SCRATCH: Final = f"{SCRATCH}/zygote"
PUBLIC: Final = "/sandmle/public"
"""Public files of every session, read-only, each set under a name that cannot be guessed."""
LARGE: Final = "/sandmle/large"
"""The public files of the one session that a container was started for."""
LIBRARIES: Final = "/sandmle/libraries"
"""The host's installed packages, read-only, in numbered directories."""
HELLO: Final = b"hello"
"""The host's first message; it carries the pipe that keeps the container alive, and a log."""
FACTS_BYTES: Final = 4096
