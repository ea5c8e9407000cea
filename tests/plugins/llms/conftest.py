"""A loopback server that speaks the OpenAI protocol as badly as it is told to."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


@dataclass
class Answer:
    """One HTTP answer."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0


def completion(text: str | None = "hello", finish_reason: str = "stop", **message: Any) -> Answer:
    body = {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-4o",
        "choices": [
            {"index": 0, "finish_reason": finish_reason, "message": {"role": "assistant", "content": text, **message}}
        ],
        "usage": {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14},
    }
    return Answer(body=json.dumps(body).encode())


def failure(status: int, message: str, **headers: str) -> Answer:
    return Answer(status=status, body=json.dumps({"error": {"message": message}}).encode(), headers=headers)


@dataclass
class LoopbackServer:
    """Where it listens, what it was asked, and how it answers: a list used up in order, then its last for ever."""

    address: str
    stopping: threading.Event
    script: list[Answer] | Callable[[dict[str, Any]], Answer] = field(default_factory=lambda: [completion()])
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)

    def next(self, request: dict[str, Any], key: str) -> Answer:
        self.asked.append(request)
        self.keys.append(key)
        if callable(self.script):
            return self.script(request)
        return self.script[min(len(self.asked), len(self.script)) - 1]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackServer]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["content-length"])))
            answer = loopback.next(request, self.headers.get("authorization", ""))
            loopback.stopping.wait(answer.delay_s)
            try:
                self.send_response(answer.status)
                for name, value in {"content-type": "application/json", **answer.headers}.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("content-length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)
            except (BrokenPipeError, ConnectionResetError):
                return

        def log_message(self, *words: object) -> None:
            """Say nothing."""

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    loopback = LoopbackServer(address=f"http://127.0.0.1:{listening.server_port}/v1", stopping=threading.Event())
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    monkeypatch.setenv("OPENAI_API_KEY", "loopback-key")
    yield loopback
    loopback.stopping.set()
    listening.shutdown()
    listening.server_close()
    thread.join()
