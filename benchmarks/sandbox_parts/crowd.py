"""Many sessions at once: how many a second, and how many fit in memory while they wait."""

import asyncio
import time
from contextlib import AsyncExitStack
from typing import Any, Final

from sandbox_parts.cells import CELLS
from sandbox_parts.machine import available_mib, use_now
from sandbox_parts.ways import DEADLINE_S
from sandmle.core.contracts.sandbox import Sandbox
from sandmle.core.engine.leases import Leases, Queue
from sandmle.core.errors import SandboxError
from sandmle.core.types.sandbox import CellStatus, SandboxLimits

_LIMITS: Final = SandboxLimits()


async def throughput(sandbox: Sandbox, concurrent: int, sessions: int) -> dict[str, Any]:
    """Run `sessions` sessions of six cells, `concurrent` of them alive at any time.

    Starts and cells take turns as in a rollout. All of the first `concurrent` are open before one runs a cell.
    """
    leases, together, failures = Leases(), asyncio.Barrier(concurrent), []
    left = iter(range(max(sessions, concurrent) - concurrent))

    async def one(is_first: bool) -> None:
        try:
            async with AsyncExitStack() as stack:
                async with Queue().turn(leases.starts):
                    opened = sandbox.session(public_dir=None, limits=_LIMITS)
                    session = await stack.enter_async_context(opened)
                if is_first:
                    await together.wait()
                for cell in CELLS:
                    async with leases.cells:
                        result = await session.run(cell, DEADLINE_S)
                    if result.status is not CellStatus.OK:
                        failures.append(f"{result.status}: {result.stderr[-200:]}")
                        return
        except SandboxError as problem:
            failures.append(str(problem))
            await together.abort()

    async def worker() -> None:
        await one(is_first=True)
        for _ in left:
            await one(is_first=False)

    began = time.perf_counter()
    done = await asyncio.gather(*(worker() for _ in range(concurrent)), return_exceptions=True)
    failures += [repr(one) for one in done if isinstance(one, BaseException)]
    elapsed = time.perf_counter() - began
    ran = max(sessions, concurrent)
    return {
        "concurrent": concurrent,
        "sessions": ran,
        "sessions_per_s": ran / elapsed,
        "failures": len(failures),
        "first_failure": failures[0] if failures else None,
    }


async def density(sandbox: Sandbox, count: int) -> dict[str, Any]:
    """Open `count` sessions at once and hold them: memory of each, before it ran anything and after six cells.

    Two figures: the proportional set size of all our processes, and what the machine has less of, which
    includes the kernel's own memory and whatever else happens on the machine.
    """
    async with AsyncExitStack() as stack:
        before, free = use_now(), available_mib()
        sessions = await asyncio.gather(
            *(stack.enter_async_context(sandbox.session(public_dir=None, limits=_LIMITS)) for _ in range(count))
        )
        for session in sessions:
            await session.run("pass", DEADLINE_S)
        idle = _each(use_now().memory_mib - before.memory_mib, free - available_mib(), count)
        for session in sessions:
            for cell in CELLS:
                await session.run(cell, DEADLINE_S)
        used = _each(use_now().memory_mib - before.memory_mib, free - available_mib(), count)
        return {"sessions": count, "idle": idle, "after six cells": used}


def _each(pss_mib: float, machine_mib: float, count: int) -> dict[str, float]:
    return {
        "pss_mib": pss_mib / count,
        "machine_mib": machine_mib / count,
        "per_gib": 1024 * count / max(pss_mib, 0.001),
        "per_gib_of_machine": 1024 * count / max(machine_mib, 0.001),
    }
