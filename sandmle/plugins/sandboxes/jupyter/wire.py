"""What the host and the child process of a session agree on. Light: the child has little to import."""

from typing import Final

ORDER_BYTES: Final = 65_536
"""The longest first message from the host, which tells the child everything."""
READY: Final = b"ready"
"""The child's only message when all is well; it carries descriptors of its work and temporary directory."""
PORTS: Final = {"shell": 1, "iopub": 2, "stdin": 3, "control": 4, "hb": 5}
"""The "ports" of the ipc transport: the number at the end of each socket's file name."""
FORK: Final = b"fork"
"""The request to the zygote, with control socket, life pipe, report pipe and log; it answers with a process id."""
KERNEL_LOG: Final = "kernel.log"
"""What a kernel of another maker writes to standard error, in its temporary directory."""
SHOWN_TYPE: Final = "text/plain"
"""The one representation of a value or display that is shown to an agent."""
RICH_TYPES: Final = (
    "application/vnd.plotly.v1+json", "image/jpeg", "image/png", "image/svg+xml", "text/html", "text/latex",
    "text/markdown",
)  # fmt: skip
"""Representations that are kept for whoever asks, see `JupyterSession.displays`."""
RICH_CHARS: Final = 1_500_000
"""The longest of those that is sent; they are whole or not there."""
UNSENT: Final = "sandmle_unsent"
"""In a message's metadata: how many characters our kernel left out of the middle of its text."""


def socket_prefix(directory: str) -> str:
    """The kernel's "ip" for the ipc transport, when its sockets shall lie in `directory`."""
    return f"{directory}/k"


def socket_path(directory: str, channel: str) -> str:
    """Where ipykernel then puts the socket of `channel`."""
    return f"{socket_prefix(directory)}-{PORTS[channel]}"
