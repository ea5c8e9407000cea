"""Started process sandboxes, one for each level and module."""

import os
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from sandmle.core.types.sandbox import IsolationLevel
from sandmle.plugins.sandboxes.config import ProcessConfig
from sandmle.plugins.sandboxes.process.backend import ProcessSandbox


@pytest_asyncio.fixture(loop_scope="module", scope="module", params=["L3", "L2"])
async def sandbox(request: pytest.FixtureRequest) -> AsyncIterator[ProcessSandbox]:
    # The environment check can only fail if there is something to find.
    os.environ["SANDMLE_TEST_API_KEY"] = "sk-not-for-the-sandbox"
    made = ProcessSandbox(ProcessConfig(zygotes=1, strongest=IsolationLevel(request.param)))
    try:
        await made.start()
        if made.level != request.param:
            pytest.skip(f"this machine reaches {made.level} only: {made.verdicts}")
        yield made
    finally:
        await made.close()
        del os.environ["SANDMLE_TEST_API_KEY"]
