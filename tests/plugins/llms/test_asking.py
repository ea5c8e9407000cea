"""Calls of litellm without its bookkeeping: the same replies and prices, and nobody who listens is left out."""

import asyncio
import json

import pytest

from sandmle.core.types.message import Message, ReplyOptions, ToolCall, ToolSpec
from sandmle.plugins.llms.asking import complete
from sandmle.plugins.llms.client import litellm, quiet_litellm
from sandmle.plugins.llms.config import LitellmConfig
from sandmle.plugins.llms.litellm_model import LitellmProvider

from .conftest import HELLO, completion

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Pydantic serializer warnings"),
]
ECHO = ToolSpec(name="echo", description="Say it again.", parameters={"type": "object", "properties": {}})


@pytest.fixture(autouse=True)
def listeners():
    quiet_litellm()
    before = list(litellm.success_callback), list(litellm._async_success_callback)
    yield
    litellm.success_callback[:], litellm._async_success_callback[:] = before


def arguments(server, **more):
    messages = [{"role": one.role, "content": one.content} for one in HELLO]
    given = {"model": "openai/gpt-4o", "messages": messages, "api_base": server.address, "timeout": 20.0}
    return {**given, "num_retries": 0, "max_retries": 0, **more}


async def test_what_is_given_stays_as_it_was(server):
    given = arguments(server, tools=[{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}])
    before = json.dumps(given)
    await complete(given)
    assert json.dumps(given) == before
    assert server.asked[0]["tools"][0]["function"]["name"] == "f"


async def test_a_listener_of_litellm_hears_of_replies(server):
    heard = []

    async def listen(details, response, began, ended):
        # litellm tells late, so that replies of tests before this one may still be told of.
        if response.choices[0].message.content == "hello":
            heard.append(details["response_cost"])

    litellm.success_callback.append(listen)
    response = await complete(arguments(server))
    async with asyncio.timeout(20):
        while not heard:
            await asyncio.sleep(0.01)
    assert response.choices[0].message.content == "hello"
    assert heard[0] > 0


async def test_a_price_is_litellms_own_and_knows_cheaper_cached_tokens(ask, server):
    counted = {"prompt_tokens": 2000, "completion_tokens": 3, "total_tokens": 2003}
    server.script = [
        completion(usage=counted),
        completion(usage={**counted, "prompt_tokens_details": {"cached_tokens": 1500}}),
    ]
    long = [Message(role="user", content="word " * 1600)]
    provider = LitellmProvider(LitellmConfig(api_base=server.address))
    model = provider.open_model("openai/gpt-4o")
    try:
        dear = await model.reply(long, ReplyOptions(timeout_s=20))
        cheap = await model.reply(long, ReplyOptions(timeout_s=20))
    finally:
        await model.close()
    assert 0 < cheap.usage.cost_usd < dear.usage.cost_usd


async def test_a_model_without_a_price_costs_nothing_that_is_known(ask, server):
    server.script = [completion("one"), completion("two")]
    for _ in range(2):
        reply = await ask(model="hosted_vllm/our-own")
        assert reply.usage.cost_usd == 0


async def test_a_signature_in_an_id_is_not_sent_to_those_who_cannot_use_it(server):
    call = ToolCall(call_id="call_1__thought__" + "x" * 400, name="echo", arguments="{}")
    talk = [
        *HELLO,
        Message(role="assistant", content="", tool_calls=(call,)),
        Message(role="tool", content="hello", tool_call_id=call.call_id),
    ]
    model = LitellmProvider(LitellmConfig(api_base=server.address)).open_model("openai/gpt-4o")
    try:
        await model.reply(talk, ReplyOptions(timeout_s=20, tools=(ECHO,)))
    finally:
        await model.close()
    assert server.asked[0]["messages"][2]["tool_calls"][0]["id"] == "call_1"
    assert server.asked[0]["messages"][3]["tool_call_id"] == "call_1"
