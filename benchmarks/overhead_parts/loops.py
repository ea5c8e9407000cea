"""Two loops to compare with: a bare one that does nothing but the work, and one that runs each program as a process.

The second is what MLE-Dojo's environment does with the code of an action: it is written to a file that a new Python
runs. As many of those run at once as our cells may.
"""

import asyncio
import contextlib
import io
import json
import os
import re
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from overhead_parts.processes import tree_cpu_s
from overhead_parts.world import says

DEADLINE_S: Final = 60.0
_CODE: Final = re.compile(r"```python\n(.*?)\n```", re.DOTALL)
Loop = Callable[[int, int, Path], Awaitable[None]]
"""Play so many episodes at once, of so many steps each, with files in a folder."""


async def timed(loop: Loop, episodes: int, steps: int, folder: Path) -> dict[str, float]:
    """Milliseconds for each step: that passed, and of processor time."""
    cpu_s, began = tree_cpu_s(), time.perf_counter()
    await loop(episodes, steps, folder)
    elapsed_s = time.perf_counter() - began
    return {
        "elapsed_ms": elapsed_s / (episodes * steps) * 1e3,
        "cpu_ms": (tree_cpu_s() - cpu_s) / (episodes * steps) * 1e3,
    }


async def bare(episodes: int, steps: int, folder: Path) -> None:
    """No graph, no client, no sandbox, no record: a list of messages, a call, `exec`."""
    await asyncio.gather(*(_bare_episode(steps, folder) for _ in range(episodes)))


async def _bare_episode(steps: int, folder: Path) -> None:
    transcript: list[dict[str, Any]] = [{"role": "user", "content": "Estimate y."}]
    names: dict[str, Any] = {}
    for _ in range(steps):
        text = await _reply("bare", transcript)
        found = _CODE.search(text)
        printed = io.StringIO()
        # The file of the first cell is not there, and nothing depends on it.
        with contextlib.redirect_stdout(printed), contextlib.suppress(OSError):
            exec(found[1] if found else "", names)
        transcript += [{"role": "assistant", "content": text}, {"role": "user", "content": printed.getvalue()}]


async def subprocesses(episodes: int, steps: int, folder: Path) -> None:
    """JSON actions, and a new interpreter for every program."""
    turns = asyncio.Semaphore(len(os.sched_getaffinity(0)) + 1)
    await asyncio.gather(*(_subprocess_episode(number, steps, folder, turns) for number in range(episodes)))


async def _subprocess_episode(number: int, steps: int, folder: Path, turns: asyncio.Semaphore) -> None:
    transcript: list[dict[str, Any]] = [{"role": "user", "content": "Estimate y."}]
    for _ in range(steps):
        text = await _reply("mle_agent", transcript)
        script = folder / f"program_{number}.py"
        script.write_text(json.loads(text)["params"]["code"], encoding="utf-8")
        async with turns:
            child = await asyncio.create_subprocess_exec(
                sys.executable, str(script), cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
            )
            async with asyncio.timeout(DEADLINE_S):
                out, err = await child.communicate()
        result = f"status: {child.returncode}\n{out.decode()}{err.decode()}"
        transcript += [{"role": "assistant", "content": text}, {"role": "user", "content": result}]


async def _reply(scaffold: str, transcript: list[dict[str, Any]]) -> str:
    await asyncio.sleep(0)
    return says(scaffold, transcript)
