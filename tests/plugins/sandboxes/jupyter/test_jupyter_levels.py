"""A busy machine is no reason for a weaker level."""

from collections.abc import Sequence

import pytest

from sandmle.core.contracts.sandbox import SandboxSession
from sandmle.core.errors import SandboxError
from sandmle.plugins.sandboxes.config import JupyterConfig
from sandmle.plugins.sandboxes.isolation import probes
from sandmle.plugins.sandboxes.jupyter import backend
from sandmle.plugins.sandboxes.jupyter.backend import JupyterSandbox


async def test_probes_that_were_late_once_are_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    late = ["the start-up probes could not run: timeout"]

    async def attack(session: SandboxSession) -> Sequence[probes.Verdict]:
        if late:
            raise SandboxError(late.pop())
        return await probes.attack(session)

    monkeypatch.setattr(backend, "attack", attack)
    sandbox = JupyterSandbox(JupyterConfig(preload=(), spares=0))
    try:
        await sandbox.start()
        assert late == []
        assert [one.held for one in sandbox.verdicts] == [True] * 3
        # What this machine does not have at all may still be missing.
        assert "could not run" not in sandbox.detail
    finally:
        await sandbox.close()
