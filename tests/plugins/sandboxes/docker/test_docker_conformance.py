"""The docker sandbox keeps the contract, in a real container of the default image."""

from pathlib import Path

import pytest

from sandmle.core.conformance.sandbox import CHECKS, Check
from sandmle.core.types.sandbox import IsolationLevel
from sandmle.plugins.sandboxes.docker.backend import DockerSandbox

pytestmark = [pytest.mark.docker, pytest.mark.asyncio(loop_scope="module")]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_keeps_the_contract(sandbox: DockerSandbox, check: Check, tmp_path: Path) -> None:
    assert sandbox.level is IsolationLevel.L1
    await check(sandbox, tmp_path)
