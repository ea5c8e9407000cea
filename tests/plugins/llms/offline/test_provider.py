"""The offline models, asked through litellm like any other."""

import asyncio
import gc
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest

from sandmle.core.conformance.llm import check_chat_model
from sandmle.core.errors import ConfigError
from sandmle.core.types.message import Message, ReplyOptions
from sandmle.plugins.llms.client import litellm
from sandmle.plugins.llms.config import LitellmConfig
from sandmle.plugins.llms.litellm_model import LitellmModel
from sandmle.plugins.llms.offline.models import PLAYERS
from sandmle.plugins.llms.offline.provider import OfflineProvider, register_players

TASK = (Message(role="system", content="Rules."), Message(role="user", content="Predict x. Metric: `rmse`."))


def open_model(name):
    return OfflineProvider(LitellmConfig(num_retries=0)).open_model(name)


@pytest.mark.parametrize("name", PLAYERS)
async def test_each_keeps_the_contract(name):
    model = open_model(f"offline/{name}")
    assert isinstance(model, LitellmModel)
    assert model.name == f"offline/{name}"
    await check_chat_model(model, TASK)


async def test_a_reply_comes_with_usage_and_costs_nothing():
    reply = await open_model("offline/agent").reply(TASK, ReplyOptions())
    assert reply.text.startswith("<think>")
    assert reply.usage.prompt_tokens > 0
    assert reply.usage.completion_tokens > 0
    assert reply.usage.cost_usd == 0


async def test_the_token_limit_cuts_a_reply():
    reply = await open_model("offline/agent").reply(TASK, ReplyOptions(max_tokens=5))
    assert reply.finish_reason == "length"
    assert len(reply.text) <= 20


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'offline/agent-strong'"):
        open_model("offline/agent-stronk")


def test_registering_twice_leaves_one_provider():
    register_players()
    register_players()
    assert sum(item["provider"] == "offline" for item in litellm.custom_provider_map) == 1


class Held(ThreadPoolExecutor):
    """Begins nothing before it is told to."""

    def __init__(self):
        super().__init__(max_workers=1)
        self.begun, self.go_on = threading.Event(), threading.Event()

    def submit(self, work, /, *words, **more):
        def later():
            self.begun.set()
            self.go_on.wait(60)
            return work(*words, **more)

        return super().submit(later)


def test_a_reply_that_is_given_up_early_leaves_no_warning_behind():
    held = Held()

    async def give_up():
        asyncio.get_running_loop().set_default_executor(held)
        asking = asyncio.create_task(open_model("offline/agent").reply(TASK, ReplyOptions()))
        while not held.begun.is_set():
            await asyncio.sleep(0.01)
        asking.cancel()
        await asyncio.wait({asking})
        assert asking.cancelled()
        held.go_on.set()

    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        asyncio.run(give_up())
        held.shutdown()
        gc.collect()
    assert not [one for one in warned if "never awaited" in str(one.message)]
