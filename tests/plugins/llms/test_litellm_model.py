"""Models reached through litellm, against a loopback server."""

import asyncio
import os

import pytest

from sandmle.core.conformance.llm import check_chat_model
from sandmle.core.errors import ConfigError, ProviderError
from sandmle.core.types.message import Message, ReplyOptions
from sandmle.plugins.llms.config import LitellmConfig
from sandmle.plugins.llms.litellm_model import LitellmProvider
from sandmle.plugins.llms.offline.provider import OfflineProvider

from .conftest import HELLO, Answer, completion, failure

# litellm's pooled connections and its logging tasks outlive the event loop of a test.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Pydantic serializer warnings"),
]


async def test_a_reply_comes_with_its_usage_and_cost(ask, server):
    reply = await ask()
    assert reply.text == "hello"
    assert reply.finish_reason == "stop"
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (11, 3)
    assert reply.usage.cost_usd > 0
    assert server.keys == ["Bearer loopback-key"]


async def test_what_is_sent_is_what_was_asked_for(ask, server):
    await ask(
        ReplyOptions(temperature=0.25, max_tokens=77, stop=("<x>",), sample_index=5, timeout_s=20),
        options={"top_p": 0.5},
    )
    sent = server.asked[0]
    assert sent["messages"] == [{"role": one.role, "content": one.content} for one in HELLO]
    assert (sent["temperature"], sent["max_tokens"], sent["stop"], sent["seed"]) == (0.25, 77, ["<x>"], 5)
    assert sent["top_p"] == 0.5
    assert "response_format" not in sent


@pytest.mark.parametrize(("setting", "model", "sent"), [
    ("auto", "openai/gpt-4o", True),
    ("auto", "hosted_vllm/our-own", False),
    ("always", "hosted_vllm/our-own", True),
    ("never", "openai/gpt-4o", False),
])  # fmt: skip
async def test_a_json_schema_is_sent_where_the_model_knows_it(ask, server, setting, model, sent):
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    await ask(ReplyOptions(json_schema=schema, timeout_s=20), model=model, json_schema=setting)
    if sent:
        assert server.asked[0]["response_format"]["json_schema"]["schema"]["properties"] == schema["properties"]
    else:
        assert "response_format" not in server.asked[0]


async def test_a_reply_cut_by_the_token_limit_says_so(ask, server):
    server.script = [completion("half a", finish_reason="length")]
    assert (await ask()).finish_reason == "length"


async def test_a_reply_without_text_is_empty_text(ask, server):
    server.script = [completion(None)]
    assert (await ask()).text == ""


@pytest.mark.parametrize("status", [429, 500, 502, 503])
async def test_what_passes_by_itself_is_tried_again(ask, server, status):
    server.script = [failure(status, "later"), failure(status, "later"), completion("at last")]
    assert (await ask()).text == "at last"
    assert len(server.asked) == 3


async def test_an_error_that_stays_is_a_provider_error_after_bounded_tries(ask, server):
    server.script = [failure(500, "on fire")]
    with pytest.raises(ProviderError, match=r"openai/gpt-4o.*after 2 further tries.*on fire"):
        await ask(num_retries=2)
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    ("status", "says"), [(400, "refused the request"), (404, "no such model"), (422, "refused the request")]
)
async def test_a_request_that_is_wrong_is_not_tried_again(ask, server, status, says):
    server.script = [failure(status, "no")]
    with pytest.raises(ProviderError, match=says):
        await ask()
    assert len(server.asked) == 1


async def test_a_conversation_that_is_too_long_leaves_no_room_for_an_answer(ask, server):
    server.script = [failure(400, "This model's maximum context length is 8192 tokens")]
    reply = await ask()
    assert (reply.text, reply.finish_reason) == ("", "context")
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [401, 403])
async def test_a_wrong_key_is_answered_with_its_variable(ask, server, status):
    server.script = [failure(status, "Incorrect API key provided")]
    with pytest.raises(ProviderError, match="OPENAI_API_KEY"):
        await ask()
    assert len(server.asked) == 1


async def test_a_missing_key_is_answered_with_its_variable(ask, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(ProviderError, match="set the environment variable OPENAI_API_KEY"):
        await ask(api_base=None)


def test_a_model_says_which_key_it_lacks_and_none_where_it_may_do_without(monkeypatch):
    for name in [one for one in os.environ if one.startswith(("OPENAI_", "GEMINI_", "GOOGLE_"))]:
        monkeypatch.delenv(name)

    def lacks(model="openai/gpt-5", **config):
        return LitellmProvider(LitellmConfig(**config)).open_model(model).lacks

    assert lacks() == "set the environment variable OPENAI_API_KEY"
    assert "GEMINI_API_KEY" in lacks("gemini/gemini-2.5-pro")
    assert lacks("ollama_chat/qwen3") is lacks("huggingface/a/b") is lacks(api_base="http://127.0.0.1:1/v1") is None
    assert lacks(fallbacks=["ollama_chat/qwen3"]) is None
    assert OfflineProvider(LitellmConfig(num_retries=0)).open_model("offline/agent").lacks is None
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    assert lacks() is None
    monkeypatch.delenv("OPENAI_BASE_URL")
    monkeypatch.setenv("OPENAI_API_KEY", " ")
    assert lacks() == "the environment variable OPENAI_API_KEY is empty; put the key into it"
    monkeypatch.setenv("GEMINI_API_KEY", "")
    assert "GEMINI_API_KEY is empty" in lacks("gemini/gemini-2.5-pro")
    monkeypatch.setenv("GOOGLE_API_KEY", "a key")
    assert lacks("gemini/gemini-2.5-pro") is None
    monkeypatch.setenv("OPENAI_API_KEY", "a key")
    assert lacks() is None


async def test_an_address_where_nobody_answers_is_named(ask):
    with pytest.raises(ProviderError, match=r"no connection to the provider at http://127\.0\.0\.1:9/v1"):
        await ask(api_base="http://127.0.0.1:9/v1", num_retries=0)


async def test_an_address_without_its_version_is_named(ask, server):
    server.script = [failure(404, "Not Found")]
    address = server.address.removesuffix("/v1")
    with pytest.raises(ProviderError, match=f"nothing answers below {address}; for openai/ .* ends in /v1"):
        await ask(api_base=address)


async def test_a_server_of_ones_own_needs_no_key(ask, server, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    assert (await ask()).text == "hello"
    assert server.keys == ["Bearer none"]
    server.script = [failure(401, "no key, no answer")]
    with pytest.raises(ProviderError, match="set the environment variable OPENAI_API_KEY"):
        await ask()


async def test_a_provider_that_stalls_meets_our_deadline(ask, server):
    server.script = [Answer(delay_s=30)]
    with pytest.raises(ProviderError, match=r"no reply within 0\.3 s"):
        await ask(ReplyOptions(timeout_s=0.3))
    with pytest.raises(ProviderError, match=r"no reply within 0\.2 s"):
        await ask(timeout_s=0.2)


async def test_pauses_between_tries_count_against_the_deadline(ask, server):
    server.script = [failure(429, "slow down", retry_after="60")]
    with pytest.raises(ProviderError, match="no reply within 3 s; before that: the provider's rate limit was hit"):
        await ask(ReplyOptions(timeout_s=3), max_backoff_s=0)
    assert len(server.asked) == 1


@pytest.mark.parametrize("body", [b"{not json", b"", b"[]", b'{"choices": []}', b"null"])
async def test_an_answer_that_is_no_reply_is_a_provider_error(ask, server, body):
    server.script = [Answer(body=body)]
    with pytest.raises(ProviderError, match="openai/gpt-4o"):
        await ask(num_retries=0)


async def test_nobody_listening_is_a_provider_error(ask):
    with pytest.raises(ProviderError, match="Connection error"):
        await ask(api_base="http://127.0.0.1:9/v1", num_retries=0)


async def test_replies_under_way_at_once_do_not_mix(ask, server):
    server.script = lambda request: completion(request["messages"][-1]["content"].upper())
    questions = [f"question {at}" for at in range(12)]
    replies = await asyncio.gather(*(ask(messages=[Message(role="user", content=one)]) for one in questions))
    assert [reply.text for reply in replies] == [one.upper() for one in questions]


async def test_it_keeps_the_contract(server):
    model = LitellmProvider(LitellmConfig(api_base=server.address)).open_model("openai/gpt-4o")
    assert model.name == "openai/gpt-4o"
    await check_chat_model(model, HELLO)


async def test_cancelling_a_question_is_no_provider_error(ask, server):
    server.script = [Answer(delay_s=30)]
    task = asyncio.create_task(ask())
    while not server.asked:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("opnai/gpt-5", "did you mean 'openai'?"),
        ("ofline/agent", "did you mean 'offline'?"),
        ("gpt5", "write it as provider/model"),
        ("openai/", "write it as provider/model"),
        ("/gpt-5", "write it as provider/model"),
        ("zzz/model", "litellm knows no provider 'zzz'"),
    ],
)
def test_an_unknown_provider_is_a_config_error(model, says):
    with pytest.raises(ConfigError, match="no model") as problem:
        LitellmProvider(LitellmConfig()).open_model(model)
    assert says in str(problem.value)
