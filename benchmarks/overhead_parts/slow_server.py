"""A provider that takes its time, as a process of its own: the OpenAI protocol on loopback, scripted replies.

    python -m overhead_parts.slow_server SECONDS

Prints its port. What it has had to do so far is told under `/figures`, as JSON.
"""

import asyncio
import json
import sys
import time
from dataclasses import dataclass, field

from overhead_parts.world import says


@dataclass
class Work:
    """How many requests were being answered, and since when."""

    under_way: int = 0
    served: int = 0
    busy_s: float = 0.0
    """Seconds of answering, summed over requests."""
    began: float | None = None
    changed: float = field(default_factory=time.monotonic)

    def change(self, by: int) -> None:
        """A request came or was answered."""
        now = time.monotonic()
        if self.began is None:
            self.began = now
        self.busy_s += self.under_way * (now - self.changed)
        self.changed = now
        self.under_way += by
        self.served += by < 0

    def figures(self) -> dict[str, float]:
        """So far, up to the last change."""
        return {"served": self.served, "busy_s": self.busy_s, "elapsed_s": self.changed - (self.began or self.changed)}


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float, work: Work) -> None:
    """One connection, any number of requests."""
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            if head.startswith(b"GET "):
                body = work.figures()
            else:
                lines = dict(line.lower().split(b": ", 1) for line in head.splitlines() if b": " in line)
                request = json.loads(await reader.readexactly(int(lines[b"content-length"])))
                work.change(1)
                await asyncio.sleep(delay_s)
                body = reply(request)
                work.change(-1)
            content = json.dumps(body).encode()
            writer.write(
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(content)
            )
            writer.write(content)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        # The client has what it wanted.
        pass
    finally:
        writer.close()


def reply(request: dict[str, object]) -> dict[str, object]:
    """A chat completion; the model's name is that of the scaffold it speaks to."""
    messages = request["messages"]
    assert isinstance(messages, list)
    message = {"role": "assistant", "content": says(str(request["model"]), messages)}
    return {
        "id": "reply",
        "object": "chat.completion",
        "created": 0,
        "model": request["model"],
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
    }


async def main() -> None:
    """Serve until killed."""
    work, delay_s = Work(), float(sys.argv[1])
    server = await asyncio.start_server(lambda r, w: answer(r, w, delay_s, work), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
