"""A process that stages attacks, one after another, in one sandbox at one level, as one user.

It reads names of attacks from its standard input and answers a line each. It is itself a target: the trainer of
the agent code, with secrets in its memory. Run by the tests as `python -m hostile.arena PLACE`.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from hostile.bare import BareSandbox
from hostile.catalog import BY_NAME
from hostile.machine import NEEDS
from hostile.observers import LIMITS, OBSERVERS, PATIENCE_S, Seen, condition
from hostile.record import PRELUDE, Attack
from hostile.stage import Stage, processes_named
from sandmle.core.contracts.sandbox import Sandbox
from sandmle.core.types.sandbox import CellResult, IsolationLevel
from sandmle.plugins.sandboxes.config import DockerConfig, ProcessConfig

SIBLING = """
import ctypes
ctypes.CDLL(None).prctl(15, b"{name}", 0, 0, 0)
buffer = ctypes.create_string_buffer(b"{secret}")
open("submission.csv", "w").write("{secret}")
print(ctypes.addressof(buffer))
"""


def make(place: str) -> Sandbox | BareSandbox:
    if place == "bare":
        return BareSandbox()
    if place == "L1":
        from sandmle.plugins.sandboxes.docker.backend import DockerSandbox

        engine, image = os.environ["ATTACKED_ENGINE"], os.environ["ATTACKED_IMAGE"]
        return DockerSandbox(DockerConfig(engine=engine, image=image, preload=()))
    from sandmle.plugins.sandboxes.process.backend import ProcessSandbox

    level = IsolationLevel(place)
    return ProcessSandbox(ProcessConfig(zygotes=1, strongest=level, allow_unsafe=place == "L0", preload=()))


def family_of() -> tuple[int, int]:
    """Process numbers of the sandbox's guardian and zygote; zeros where it has none on this machine."""
    own = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    for guardian in reversed(own):
        with contextlib.suppress(OSError):
            if b"zygote" in Path(f"/proc/{guardian}/cmdline").read_bytes():
                children = Path(f"/proc/{guardian}/task/{guardian}/children").read_text().split()
                return int(guardian), int(children[0]) if children else 0
    return 0, 0


@asynccontextmanager
async def neighbour(sandbox: Sandbox, stage: Stage, code: str) -> AsyncIterator[None]:
    """A second session, with a secret of its own, when the attack is on one."""
    if "<<sibling" not in code:
        yield
        return
    async with sandbox.session(public_dir=stage.public, limits=LIMITS) as session:
        stage.sibling = session
        name = f"S{stage.token[1:]}"
        said = await session.run(SIBLING.format(name=name, secret=stage.secret), PATIENCE_S)
        stage.planted["sibling"] = next(processes_named(name), 0)
        stage.planted["sibling_address"] = said.stdout.strip()
        if "<<sibling_busy>>" in code:
            stage.planted["sibling_busy"] = stage.planted["sibling"]
            stage.planted["busy"] = asyncio.create_task(session.run("import time; time.sleep(1)", PATIENCE_S))
            await asyncio.sleep(0.1)
        yield


async def perform(sandbox: Sandbox, attack: Attack, place: str) -> dict[str, object]:
    """Stage one attack; whether it succeeded, and what was seen."""
    stage = Stage(place=place)
    if isinstance(sandbox, BareSandbox):
        sandbox.secret = stage.secret
    try:
        async with (
            neighbour(sandbox, stage, attack.code),
            sandbox.session(public_dir=stage.public, limits=LIMITS) as session,
        ):
            stage.guardian, stage.zygote = family_of()
            code = PRELUDE + stage.filled(attack.code)
            process = stage.planted.get("process")
            untouched = condition(process.pid) if process else None
            works = [threading.Thread(target=one) for one in stage.before]
            for work in works:
                work.start()
            result = await session.run(code, attack.timeout_s)
            seen = Seen(
                attack=attack, stage=stage, sandbox=sandbox, session=session, result=result, untouched=untouched
            )
            evidence = await OBSERVERS[attack.won](seen)
            for work in works:
                work.join()
        return {"won": bool(evidence), "seen": evidence or described(result)}
    finally:
        sweep(stage)
        stage.close()


def described(result: CellResult) -> str:
    words = (result.stdout + result.stderr).strip()
    return f"{result.status}: {words[-300:]}"


def sweep(stage: Stage) -> None:
    """Leave nothing alive of an attack that succeeded."""
    deadline = time.monotonic() + PATIENCE_S
    while (left := list(processes_named(stage.token))) and time.monotonic() < deadline:
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)


async def serve(place: str, answers: int) -> None:
    sandbox = make(place)
    with open(answers, "w", encoding="utf-8", buffering=1) as out:
        try:
            if not isinstance(sandbox, BareSandbox):
                await sandbox.start()
                if sandbox.level != place:
                    print(json.dumps({"unfit": f"this machine reaches {sandbox.level} only"}), file=out)
                    return
            print(json.dumps({"ready": place}), file=out)
            while line := await asyncio.to_thread(sys.stdin.readline):
                attack = BY_NAME[line.strip()]
                if NEEDS[attack.needs]():
                    answer = await perform(sandbox, attack, place)
                else:
                    answer = {"unfit": f"this machine offers no {attack.needs}"}
                print(json.dumps(answer), file=out)
        finally:
            if not isinstance(sandbox, BareSandbox):
                await sandbox.close()


if __name__ == "__main__":
    # Answers go to a channel of their own, which no attack is told of.
    channel = os.dup(1)
    os.dup2(2, 1)
    asyncio.run(serve(sys.argv[1], channel))
