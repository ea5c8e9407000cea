"""How busy do 64 episodes at once keep a provider that takes two seconds for every reply?"""

import asyncio
import http.client
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from sandmle.core.engine.runs import run_tasks
from sandmle.core.engine.tasks import Task
from sandmle.core.engine.toolkit import Toolkit

MODELS: Final = ("openai/react", "hosted_vllm/react")
"""One protocol, two ways of litellm's: OpenAI's own package, and litellm's own client as for a vLLM server."""


async def keep_busy(
    toolkit: Toolkit, task: Task, model: str, episodes: int, delay_s: float, folder: Path
) -> dict[str, float]:
    """Run the episodes, all at once, against a server on loopback, over the wire, and ask it what it had to do.

    Returns:
        `busy`: its share of the time, from the first request to the last reply, that each of so many places was taken
        by a request: starting the sessions, grading and the ends of the last episodes all count against it.
    """
    os.environ.setdefault("OPENAI_API_KEY", "none")
    async with _server(delay_s) as port:
        settings = toolkit.override(
            {
                "run.model": model,
                "run.group_size": episodes,
                "run.concurrency": episodes,
                "run.trackers": [],
                "plugin.llm.litellm.api_base": f"http://127.0.0.1:{port}/v1",
                "plugin.benchmark.corpus.path": str(task.layout.root),
            }
        )
        await run_tasks(settings, folder, asyncio.Event())
        figures = await asyncio.to_thread(_figures, port)
    share = figures["busy_s"] / (episodes * figures["elapsed_s"])
    return {"busy": share, "delay_s": delay_s, "replies": figures["served"], "elapsed_s": figures["elapsed_s"]}


@asynccontextmanager
async def _server(delay_s: float) -> AsyncIterator[int]:
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "overhead_parts.slow_server", str(delay_s)),
        cwd=Path(__file__).parents[1],
        stdout=asyncio.subprocess.PIPE,
    )
    assert server.stdout is not None
    try:
        yield int(await server.stdout.readline())
    finally:
        server.kill()
        await server.wait()


def _figures(port: int) -> dict[str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/figures")
    figures: dict[str, Any] = json.loads(connection.getresponse().read())
    return figures
