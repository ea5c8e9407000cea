"""What went wrong first is what is told, whatever closing comes to afterwards."""

import asyncio
import logging

import pytest

from sandmle.core.engine.deadlines import closed_in_the_end
from sandmle.core.engine.environment import Environment
from sandmle.core.errors import ProviderError, SandboxError


async def breaks() -> None:
    raise ValueError("no such connection")


def closing():
    return closed_in_the_end(breaks, 5.0, ProviderError, "closing model 'theirs'")


async def test_a_plugin_that_fails_to_close_is_named_and_no_traceback_of_ours() -> None:
    with pytest.raises(ProviderError, match="closing model 'theirs': ValueError: no such connection"):
        async with closing():
            pass


async def test_an_earlier_failure_is_told_in_its_place(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), pytest.raises(SandboxError, match="the zygote is gone"):
        async with closing():
            raise SandboxError("the zygote is gone")
    assert [one.getMessage() for one in caplog.records] == ["closing model 'theirs': ValueError: no such connection"]


async def test_a_cancellation_stays_one_although_closing_fails(
    task, grader, puppet_sandbox, stage, monkeypatch
) -> None:
    async def fails(environment: Environment) -> None:
        raise SandboxError("the session cannot be ended")

    async def waits() -> None:
        environment = Environment(task=task, sandbox=puppet_sandbox, grader=grader, rules=stage.rules())
        async with environment, closing():
            monkeypatch.setattr(Environment, "close", fails)
            begun.set()
            await asyncio.Event().wait()

    begun = asyncio.Event()
    waiting = asyncio.create_task(waits())
    await begun.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_an_environment_that_cannot_be_closed_says_so(task, grader, puppet_sandbox, stage, monkeypatch) -> None:
    async def fails(environment: Environment) -> None:
        raise SandboxError("the session cannot be ended")

    with pytest.raises(SandboxError, match="cannot be ended"):
        async with Environment(task=task, sandbox=puppet_sandbox, grader=grader, rules=stage.rules()):
            monkeypatch.setattr(Environment, "close", fails)
