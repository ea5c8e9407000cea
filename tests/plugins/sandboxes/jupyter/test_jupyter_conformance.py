"""The jupyter sandbox keeps the contract at every level that this machine can reach."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from sandmle.core.conformance.sandbox import CHECKS, Check
from sandmle.core.types.sandbox import IsolationLevel
from sandmle.plugins.sandboxes.config import JupyterConfig
from sandmle.plugins.sandboxes.jupyter.backend import JupyterSandbox

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module", params=["L3", "L2"])
async def sandbox(request: pytest.FixtureRequest) -> AsyncIterator[JupyterSandbox]:
    # The environment check can only fail if there is something to find.
    os.environ["SANDMLE_TEST_API_KEY"] = "sk-not-for-the-sandbox"
    made = JupyterSandbox(JupyterConfig(strongest=IsolationLevel(request.param), preload=()))
    try:
        await made.start()
        if made.level != request.param:
            pytest.skip(f"this machine reaches {made.level} only: {made.verdicts}")
        yield made
    finally:
        await made.close()
        del os.environ["SANDMLE_TEST_API_KEY"]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_keeps_the_contract(sandbox: JupyterSandbox, check: Check, tmp_path: Path) -> None:
    await check(sandbox, tmp_path)
