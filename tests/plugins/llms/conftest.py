"""A loopback server that speaks the OpenAI protocol as badly as it is told to, and a model that asks it."""

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from sandmle.core.types.message import Message, ModelReply, ReplyOptions
from sandmle.plugins.llms.config import LitellmConfig
from sandmle.plugins.llms.litellm_model import LitellmProvider
from tests.loopback.server import Answer, Request, serving

__all__ = ["Answer"]

HELLO = (Message(role="system", content="Be brief."), Message(role="user", content="Hello"))


def completion(
    text: str | None = "hello", finish_reason: str = "stop", usage: Any = None, headers: Any = None, **message: Any
) -> Answer:
    counted = {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14}
    return Answer.json(
        {
            "id": "1",
            "object": "chat.completion",
            "created": 1,
            "model": "gpt-4o",
            "choices": [
                {
                    "index": 0,
                    "finish_reason": finish_reason,
                    "message": {"role": "assistant", "content": text, **message},
                }
            ],
            "usage": counted if usage is None else usage,
        },
        headers=headers or {},
    )


def failure(status: int, message: str, **headers: str) -> Answer:
    return Answer.json({"error": {"message": message}}, status=status, headers=headers)


@dataclass
class LoopbackServer:
    """Where it listens, what it was asked, and how it answers: a list used up in order, then its last for ever."""

    address: str = ""
    script: list[Answer] | Callable[[dict[str, Any]], Answer] = field(default_factory=lambda: [completion()])
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    @property
    def keys(self) -> list[str]:
        return [headers.get("authorization", "") for headers in self.headers]

    def respond(self, request: Request) -> Answer:
        self.asked.append(request.body)
        self.headers.append(request.headers)
        if callable(self.script):
            return self.script(request.body)
        return self.script[min(len(self.asked), len(self.script)) - 1]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackServer]:
    loopback = LoopbackServer()
    monkeypatch.setenv("OPENAI_API_KEY", "loopback-key")
    with serving(loopback.respond) as listening:
        loopback.address = f"{listening.address}/v1"
        yield loopback


@pytest.fixture
async def ask(server: LoopbackServer) -> AsyncIterator[Callable[..., Any]]:
    """Ask a model on the loopback server once; closes what it opened."""
    opened = []

    async def asking(
        how: ReplyOptions | None = None, messages: Any = HELLO, model: str = "openai/gpt-4o", **config: Any
    ) -> ModelReply:
        made = LitellmConfig(**{"api_base": server.address, "backoff_s": 0.0, **config})
        opened.append(LitellmProvider(made).open_model(model))
        return await opened[-1].reply(messages, how or ReplyOptions(timeout_s=20))

    yield asking
    for model in opened:
        await model.close()
