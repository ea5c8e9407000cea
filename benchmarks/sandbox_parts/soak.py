"""Thousands of sessions in one sandbox: does each cost what the first did, and does anything stay behind?"""

import asyncio
import gc
import time
from dataclasses import asdict
from typing import Any, Final

from sandbox_parts.cells import CELLS, TRIVIAL
from sandbox_parts.machine import Use, use_now
from sandbox_parts.ways import DEADLINE_S
from sandmle.core.contracts.sandbox import Sandbox
from sandmle.core.types.sandbox import CellStatus, SandboxLimits

LAPS: Final = 10
_AT_ONCE: Final = 4
_FULL_EVERY: Final = 20
"""One session in so many runs all six cells; the others run one."""
_WARM_UP: Final = 50
_MORE_MIB: Final = 64.0
_MORE_COST: Final = 1.5


async def soak(sandbox: Sandbox, sessions: int) -> dict[str, Any]:
    """Run `sessions` sessions in ten laps; what everything uses after each, and what was found.

    The processor time of a lap is that of host, zygotes and sessions together. It is not disturbed by what else
    the machine does as time on the wall is.
    """
    await _lap(sandbox, min(_WARM_UP, sessions))
    laps = [await _measured(sandbox, max(1, sessions // LAPS)) for _ in range(LAPS)]
    return {"sessions": sum(lap["sessions"] for lap in laps), "laps": laps, "problems": problems(laps)}


def problems(laps: list[dict[str, Any]]) -> list[str]:
    """What grew from the first lap to the last though it should not, in words; empty when all is well."""
    first, last = laps[0], laps[-1]
    found = [
        f"{what}: {first['use'][what]} after the first lap, {last['use'][what]} after the last"
        for what in ("processes", "open_files", "mounts")
        if last["use"][what] > first["use"][what] + 4
    ]
    if last["use"]["memory_mib"] > first["use"]["memory_mib"] + _MORE_MIB:
        found.append(f"memory: {first['use']['memory_mib']:.0f} MiB grew to {last['use']['memory_mib']:.0f} MiB")
    # The median lap of each half, because one lap may hold the start of a new zygote.
    half = len(laps) // 2
    early, late = (sorted(lap["cpu_ms"] for lap in part)[len(part) // 2] for part in (laps[:half], laps[half:]))
    if late > _MORE_COST * early:
        found.append(f"cost: {early:.1f} ms of processor a session grew to {late:.1f} ms")
    return found


async def _measured(sandbox: Sandbox, sessions: int) -> dict[str, Any]:
    before, began = use_now(), time.perf_counter()
    await _lap(sandbox, sessions)
    elapsed = time.perf_counter() - began
    gc.collect()
    after = await _settled(before)
    return {
        "sessions": sessions,
        "wall_ms": elapsed / sessions * 1e3,
        "cpu_ms": max(0.0, after.cpu_s - before.cpu_s) / sessions * 1e3,
        "use": {key: value for key, value in asdict(after).items() if key != "cpu_s"},
    }


async def _settled(before: Use) -> Use:
    """What is used once the sessions forked ahead are there again."""
    for _ in range(50):
        now = use_now()
        if now.processes >= before.processes:
            break
        await asyncio.sleep(0.02)
    return now


async def _lap(sandbox: Sandbox, sessions: int) -> None:
    numbers = iter(range(sessions))

    async def worker() -> None:
        for number in numbers:
            async with sandbox.session(public_dir=None, limits=SandboxLimits()) as session:
                for cell in CELLS if number % _FULL_EVERY == 0 else (TRIVIAL,):
                    result = await session.run(cell, DEADLINE_S)
                    if result.status is not CellStatus.OK:
                        raise RuntimeError(f"session {number}: {result.status}: {result.stderr}")

    await asyncio.gather(*(worker() for _ in range(_AT_ONCE)))
