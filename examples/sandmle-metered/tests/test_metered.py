"""The plugin's own tests: it is found, it keeps the contracts, and its meter runs.

Only the cheap part of the sandbox's suite runs here; `sandmle plugins check` runs all of it, attacks included.
"""

import asyncio
import tempfile
from pathlib import Path

from sandmle import Action, ActionKind, CellStatus, Kind, Observation, SandboxLimits, StopReason, open_toolkit
from sandmle.core.conformance.episodes import sample_episode
from sandmle.core.conformance.milestone import check_milestone
from sandmle.core.conformance.sandbox import CHECKS
from sandmle.core.contracts.sandbox import Sandbox
from sandmle.core.types.trajectory import Step
from sandmle_metered.milestone import Lean
from sandmle_metered.sandbox import MeteredSandbox


def cell(seconds: float) -> Step:
    action = Action(kind=ActionKind.RUN_CODE, code="print(1)")
    return Step(action=action, observation=Observation(text="1", cell=CellStatus.OK), turn=0, wall_s=seconds)


def test_the_package_registers_its_sandbox_and_milestone() -> None:
    registry = open_toolkit().registry
    assert "metered" in registry.names(Kind.SANDBOX)
    assert "lean" in registry.names(Kind.MILESTONE)


def test_the_milestone_keeps_the_contract() -> None:
    check_milestone(open_toolkit().make(Kind.MILESTONE, "lean"))


def test_the_milestone_pays_for_little_running_time() -> None:
    episode = sample_episode([cell(2.0), cell(3.0)], grade=None, stop=StopReason.FINISHED)
    assert (Lean(10.0).value(episode), Lean(4.0).value(episode)) == (0.5, 0.0)


async def run_the_meter(inner: Sandbox) -> None:
    sandbox = MeteredSandbox(inner, seconds=1.0)
    try:
        await sandbox.start()
        for check in CHECKS[:2]:
            with tempfile.TemporaryDirectory() as directory:
                await check(MeteredSandbox(inner, seconds=300.0), Path(directory))
        async with sandbox.session(public_dir=None, limits=SandboxLimits()) as session:
            assert (await session.run("open('kept', 'w').write('yes')", 60.0)).status is CellStatus.OK
            assert (await session.run("while True: pass", 60.0)).status is CellStatus.TIMEOUT
            refused = await session.run("print(1)", 60.0)
            assert (refused.status, "used up its 1 s" in refused.stderr) == (CellStatus.DIED, True)
            kept = await session.fetch("kept", 100)
            assert getattr(kept, "files", None) == {"kept": b"yes"}
    finally:
        await sandbox.close()


def test_the_sandbox_keeps_the_contract_and_its_meter_ends_a_session() -> None:
    asyncio.run(run_the_meter(open_toolkit().make(Kind.SANDBOX, "process")))
