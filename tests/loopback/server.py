"""Real servers on the loopback interface, which answer in the words of a provider, or as badly as they are told to."""

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Answer:
    """One HTTP answer."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    """Before the first byte."""
    cut_after: int | None = None
    """Bytes of the body after which the connection ends."""
    reset: bool = True
    """Whether it is reset then, or closed as if all had been sent."""
    trickle_s: float = 0.0
    """Pause before every byte of the body."""

    @classmethod
    def json(cls, document: Any, **changes: Any) -> "Answer":
        return cls(body=json.dumps(document).encode(), **changes)


@dataclass(frozen=True)
class Request:
    """What a server was asked."""

    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body: Any


Responder = Callable[[Request], Answer]


class _Handler(BaseHTTPRequestHandler):
    server: "LoopbackHTTPServer"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.server.respond(Request(self.path, headers, body))
        self.server.stopping.wait(answer.delay_s)
        try:
            self._send(answer)
        except (BrokenPipeError, ConnectionResetError):
            return

    def do_GET(self) -> None:
        self._send(Answer(status=404))

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in {"content-type": "application/json", **answer.headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("content-length", str(len(answer.body)))
        self.end_headers()
        if answer.trickle_s:
            for at in range(len(answer.body)):
                if self.server.stopping.wait(answer.trickle_s):
                    return
                self.wfile.write(answer.body[at : at + 1])
            return
        self.wfile.write(answer.body[: answer.cut_after])
        if answer.cut_after is not None and answer.reset:
            # With a linger of zero, closing sends a reset in place of an orderly end.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def log_message(self, *words: object) -> None:
        """Say nothing."""


class LoopbackHTTPServer(ThreadingHTTPServer):
    """Answers each request in a thread of its own with what `respond` says."""

    request_queue_size = 128
    daemon_threads = True

    def __init__(self, respond: Responder) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.respond = respond
        self.stopping = threading.Event()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone away is nobody's error here."""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def serving(respond: Responder) -> Iterator[LoopbackHTTPServer]:
    """A server that answers until the block ends."""
    server = LoopbackHTTPServer(respond)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.stopping.set()
        server.shutdown()
        server.server_close()
        thread.join()
