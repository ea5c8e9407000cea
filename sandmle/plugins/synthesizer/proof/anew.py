"""Makes many tasks anew, one after the other, with a sandbox and a grader opened once."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from sandmle.core.contracts.sandbox import Sandbox
from sandmle.core.engine.deadlines import see_through
from sandmle.core.engine.grading import LocalGrader
from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.hooks.registry import Kind
from sandmle.core.types.synthesis import TaskProblem
from sandmle.plugins.synthesizer.proof.regenerate import Tools, regenerate
from sandmle.plugins.synthesizer.scratch import sweep

CLOSE_DEADLINE_S: Final = 30.0


async def regenerate_tasks(
    toolkit: Toolkit, folders: Sequence[Path], drain: asyncio.Event
) -> list[tuple[str, TaskProblem]]:
    """Folder name and problem of every task that does not come out as it is; `synthesis.workers` at once.

    Raises:
        InfrastructureError: the sandbox or the grader failed.
    """
    settings = toolkit.settings.synthesis
    sandbox: Sandbox = toolkit.make(Kind.SANDBOX, settings.sandbox)
    slots = asyncio.Semaphore(settings.workers)
    sweep()
    async with AsyncExitStack() as stack:
        grader = LocalGrader()
        stack.push_async_callback(lambda: see_through(grader.close(), CLOSE_DEADLINE_S))
        stack.push_async_callback(lambda: see_through(sandbox.close(), CLOSE_DEADLINE_S))
        await sandbox.start()
        tools = Tools(sandbox=sandbox, grader=grader, timeout_s=settings.script_timeout_s)

        async def one(folder: Path) -> list[tuple[str, TaskProblem]]:
            async with slots:
                if drain.is_set():
                    left_out = "it was not made anew: interrupted"
                    return [(folder.name, TaskProblem(check="regenerated", message=left_out))]
                return [(folder.name, problem) for problem in await regenerate(folder, tools)]

        under_way = [asyncio.ensure_future(one(folder)) for folder in folders]
        try:
            found = await asyncio.gather(*under_way)
        finally:
            for task in under_way:
                task.cancel()
            # Whatever an abandoned task still raises has no one left to act on it.
            await asyncio.gather(*under_way, return_exceptions=True)
    return [problem for some in found for problem in some]
