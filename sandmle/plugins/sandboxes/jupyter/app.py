"""Inside the enclosure: an ipykernel that fits in there and speaks no more than its host will read.

What is done here is a courtesy to honest code (a long text is shortened instead of ending the
session). The bounds that protect the host are the host's own, in `zmtp` and `session`.
"""

# ipykernel is only partly annotated.
# mypy: disable-error-code="no-untyped-call"

import array
import base64
import codecs
import fcntl
import os
import select
import sys
import termios
import threading
import time
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import zmq
from ipykernel.iostream import IOPubThread, OutStream
from ipykernel.kernelapp import IPKernelApp
from jupyter_client.session import Session
from traitlets import Integer
from traitlets.config import Config

from sandmle.plugins.sandboxes.jupyter.wire import PORTS, RICH_CHARS, RICH_TYPES, SHOWN_TYPE, UNSENT, socket_prefix

_PIPE_BYTES: Final = 65_536
_DRAIN_S: Final = 0.5


class KernelSession(Session):
    """A session that shortens every text of a message to `longest` characters, from its middle."""

    longest = Integer(65_536)

    def serialize(self, msg: dict[str, Any], ident: list[bytes] | bytes | None = None) -> list[bytes]:
        content = msg.get("content")
        rich: dict[str, str] = {}
        if isinstance(content, dict):
            if isinstance(data := content.get("data"), dict):
                rich = _rich(data)
                content = {**content, "data": {kind: data[kind] for kind in data if kind == SHOWN_TYPE}}
            content, unsent = self._shorten(content)
            if rich:
                content["data"] = {**content["data"], **rich}
            msg = {**msg, "content": content, "metadata": {**msg["metadata"], UNSENT: unsent}}
        frames: list[bytes] = super().serialize(msg, ident)
        return frames

    def _shorten(self, value: Any) -> tuple[Any, int]:
        """The value with its long texts cut to their halves, and how many characters that left out."""
        if isinstance(value, str) and len(value) > self.longest:
            half = self.longest // 2
            return value[:half] + value[-half:], len(value) - 2 * half
        if isinstance(value, dict):
            pairs = {key: self._shorten(one) for key, one in value.items()}
            return {key: one for key, (one, _) in pairs.items()}, sum(unsent for _, unsent in pairs.values())
        if isinstance(value, list):
            parts = [self._shorten(one) for one in value]
            return [one for one, _ in parts], sum(unsent for _, unsent in parts)
        return value, 0


def _rich(data: Mapping[str, Any]) -> dict[str, str]:
    """The representations beside the text that a host keeps; together no longer than one may be."""
    kept: dict[str, str] = {}
    room = RICH_CHARS
    for kind in RICH_TYPES:
        value = data.get(kind)
        if isinstance(value, bytes):
            value = base64.b64encode(value).decode("ascii")
        if isinstance(value, str) and len(value) <= room:
            kept[kind] = value
            room -= len(value)
    return kept


class KernelStream(OutStream):
    """stdout or stderr, complete at the end of a cell whoever wrote: this process or one it started."""

    def write(self, string: str) -> int:
        if not self._is_master_process():
            # A forked child has none of the threads that publish; the descriptor leads to them.
            return os.write(self._original_stdstream_fd, string.encode("utf-8", "replace"))
        return super().write(string) or 0

    def drain(self) -> None:
        """Wait until what was written to the descriptor has arrived here, for a moment at most."""
        waiting = array.array("i", [1])
        end = time.monotonic() + _DRAIN_S
        while waiting[0] and time.monotonic() < end:
            fcntl.ioctl(self._pipe(), termios.FIONREAD, waiting)
            time.sleep(0.001 if waiting[0] else 0)
        if self._moving.acquire(timeout=_DRAIN_S):
            self._moving.release()

    def _pipe(self) -> int:
        """Where what is written to the descriptor comes out."""
        assert self._fid is not None
        return int(self._fid)

    def _setup_stream_redirects(self, name: str) -> None:
        self._moving = threading.Lock()
        super()._setup_stream_redirects(name)

    def _watch_pipe_fd(self) -> None:
        os.set_blocking(self._pipe(), False)
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        while self._should_watch:
            select.select([self._pipe()], [], [])
            with self._moving:
                try:
                    data = os.read(self._pipe(), _PIPE_BYTES)
                except BlockingIOError:
                    # Someone else, who opened the pipe by way of /proc, was faster.
                    continue
                if not data:
                    return
                if piece := decoder.decode(data):
                    self.write(piece)


class KernelApp(IPKernelApp):
    """The kernel program without what the enclosure denies."""

    outstream_class = f"{__name__}.KernelStream"

    def init_control(self, context: zmq.Context[Any]) -> None:
        super().init_control(context)
        # For the debugger; connecting is denied inside, and libzmq would try for ever.
        self.debug_shell_socket.disconnect(self.debug_shell_socket.last_endpoint)

    def init_iopub(self, context: zmq.Context[Any]) -> None:
        """As the original, without its TCP port for forked children, who write to the descriptors instead."""
        self.iopub_socket = context.socket(zmq.XPUB)
        self.iopub_port = self._bind_socket(self.iopub_socket, self.iopub_port)
        self.configure_tornado_logger()
        self.iopub_thread = IOPubThread(self.iopub_socket, pipe=False, session=self.session)
        self.iopub_thread.start()
        self.iopub_socket = self.iopub_thread.background_socket

    def init_heartbeat(self) -> None:
        """No heartbeat: the host sees a kernel's end by its socket, and it saves a thread."""


def make_app(directory: str, key: bytes, longest: int) -> KernelApp:
    """A kernel, ready to `start`, whose sockets lie in `directory` (see `wire`).

    Args:
        directory: Of the kernel's own, writable.
        key: Signs the messages.
        longest: Characters sent of one text.
    """
    config = Config()
    # The history would be a data base on disk with a thread of its own, for nobody to read.
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    config.IPCompleter.use_jedi = False
    app = KernelApp.instance(
        config=config,
        transport="ipc",
        ip=socket_prefix(directory),
        connection_file=f"{directory}/kernel.json",
        log_level="CRITICAL",
        session=KernelSession(key=key, username="sandmle", longest=longest),
        **{f"{channel}_port": number for channel, number in PORTS.items()},
    )
    # A kernel without the debugger's library has no debugger, which nobody could reach, and starts sooner.
    sys.modules["debugpy"] = None  # type: ignore[assignment]
    try:
        app.initialize([])
    finally:
        del sys.modules["debugpy"]
    assert app.shell is not None
    # The usual way needs a terminal, and there is none in here.
    app.shell.system = app.shell.system_raw
    streams = {"stdout": sys.stdout, "stderr": sys.stderr}
    app.shell.events.register("post_run_cell", partial(_finish_cell, os.getpid(), streams))
    return app


def _finish_cell(own: int, streams: Mapping[str, object], _: object) -> None:
    if os.getpid() != own:
        # The cell forked and its child came to the end, too: it has no business with the host.
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(0)
    for name, stream in streams.items():
        if isinstance(stream, KernelStream):
            stream.drain()
        # The cell may have put anything in their place; without these methods the kernel never answers again.
        if not all(hasattr(getattr(sys, name, None), method) for method in ("write", "flush")):
            setattr(sys, name, stream)
