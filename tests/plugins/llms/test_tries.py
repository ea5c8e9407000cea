"""Retries, fallbacks, limits and token counts of models behind litellm, against a loopback server."""

import asyncio
import logging
import threading
import time
from email.utils import formatdate

import pytest

from sandmle.core.errors import ConfigError, ProviderError
from sandmle.core.types.message import ReplyOptions
from sandmle.plugins.llms.config import LitellmConfig, ModelOptions
from sandmle.plugins.llms.failures import retry_after_s
from sandmle.plugins.llms.litellm_model import LitellmProvider

from .conftest import HELLO, Answer, completion, failure

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Pydantic serializer warnings"),
]


class Told:
    def __init__(self, value, **headers):
        self.litellm_response_headers = {"retry-after": value, **headers}


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7.0), ("0.5", 0.5), ("", 0.0), ("soon", 0.0), ("-3", 0.0), ("inf", 0.0), ("nan", 0.0)],
)
def test_retry_after_is_read_in_seconds(value, seconds):
    assert retry_after_s(Told(value), 0.0) == seconds


def test_retry_after_is_read_as_a_date():
    assert retry_after_s(Told(formatdate(1_000_030, usegmt=True)), 1_000_000) == 30
    assert retry_after_s(Told(formatdate(1, usegmt=True)), 1_000_000) == 0


async def test_a_longer_retry_after_than_our_own_pause_is_kept(ask, server):
    loop = asyncio.get_running_loop()
    server.script = [failure(429, "slow down", retry_after="1"), completion("now")]
    began = loop.time()
    assert (await ask(max_backoff_s=0)).text == "now"
    assert loop.time() - began >= 0.95


async def test_others_of_the_same_provider_keep_a_retry_after_too(server):
    server.script = [failure(429, "slow down", retry_after="1"), completion("now")]
    provider = LitellmProvider(LitellmConfig(api_base=server.address, num_retries=0))
    one, other = provider.open_model("openai/gpt-4o"), provider.open_model("openai/gpt-4o-mini")
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(ProviderError, match="rate limit"):
        await one.reply(HELLO, ReplyOptions(timeout_s=20))
    assert (await other.reply(HELLO, ReplyOptions(timeout_s=20))).text == "now"
    assert loop.time() - began >= 0.95
    await one.close()


async def test_who_waits_in_vain_is_told_for_how_long_the_provider_wants_to_be_left_alone(server):
    server.script = [failure(429, "slow down", retry_after="1000")]
    provider = LitellmProvider(LitellmConfig(api_base=server.address, num_retries=0))
    one, other = provider.open_model("openai/gpt-4o"), provider.open_model("openai/gpt-4o-mini")
    with pytest.raises(ProviderError, match="rate limit"):
        await one.reply(HELLO, ReplyOptions(timeout_s=20))
    with pytest.raises(
        ProviderError, match=r"no reply within 0\.1 s; the provider asked to be left alone for \d+ s more"
    ):
        await other.reply(HELLO, ReplyOptions(timeout_s=0.1))
    await one.close()


async def test_requests_under_way_never_exceed_what_the_provider_is_given(server):
    under_way, most = [0], [0]

    def respond(request):
        under_way[0] += 1
        most[0] = max(most[0], under_way[0])
        time.sleep(0.02)
        under_way[0] -= 1
        return completion()

    server.script = respond
    model = LitellmProvider(LitellmConfig(api_base=server.address, concurrency=2, max_concurrency=2)).open_model(
        "openai/gpt-4o"
    )
    # Longer in the queue than a reply may take, which costs nobody its reply.
    await asyncio.gather(*(model.reply(HELLO, ReplyOptions(timeout_s=20)) for _ in range(10)))
    await model.close()
    assert most[0] <= 2


async def test_a_provider_that_bears_few_requests_is_found_out_and_loses_none(server):
    lock, under_way, crowded = threading.Lock(), [0], threading.Event()

    def respond(request):
        with lock:
            under_way[0] += 1
            full = under_way[0] > 3
        if full:
            crowded.set()
        # However slowly requests come, some are under way together.
        crowded.wait(60)
        time.sleep(0.01)
        with lock:
            under_way[0] -= 1
        return failure(429, "too many at once") if full else completion()

    server.script = respond
    provider = LitellmProvider(LitellmConfig(api_base=server.address, num_retries=20, backoff_s=0.02))
    model = provider.open_model("openai/gpt-4o")
    replies = await asyncio.gather(*(model.reply(HELLO, ReplyOptions(timeout_s=60)) for _ in range(24)))
    await model.close()
    assert [one.text for one in replies] == ["hello"] * 24
    (limit,) = provider._limits.values()
    assert limit.limit < 24


async def test_what_is_tried_again_is_said_once_per_kind(ask, server, caplog):
    server.script = [failure(503, "later"), failure(503, "later"), completion()]
    with caplog.at_level(logging.WARNING):
        await ask()
    said = [one.getMessage() for one in caplog.records if "trying again" in one.getMessage()]
    assert len(said) == 1
    assert "openai/gpt-4o" in said[0]


@pytest.fixture
def with_fallback(server):
    """The first model fails as told; the second answers."""

    def script(first):
        server.script = lambda request: first if request["model"] == "first" else completion("from the second")

    return script


@pytest.mark.parametrize("first", [failure(500, "on fire"), failure(401, "no"), failure(404, "no"), Answer(body=b"<")])
async def test_a_fallback_answers_in_place_of_a_model_that_failed_and_is_named(ask, with_fallback, first):
    with_fallback(first)
    reply = await ask(model="openai/first", fallbacks=("openai/second",), num_retries=0)
    assert (reply.text, reply.answered_by) == ("from the second", "openai/second")


async def test_a_model_that_stalls_leaves_its_fallback_time(ask, with_fallback):
    with_fallback(Answer(delay_s=30))
    reply = await ask(ReplyOptions(timeout_s=6), model="openai/first", fallbacks=("openai/second",))
    assert reply.answered_by == "openai/second"


async def test_a_fallback_may_have_a_longer_context(ask, with_fallback):
    with_fallback(failure(400, "This model's maximum context length is 8192 tokens"))
    assert (await ask(model="openai/first", fallbacks=("openai/second",))).text == "from the second"
    assert (await ask(model="openai/first")).finish_reason == "context"


async def test_when_all_have_failed_the_last_failure_is_told(ask, server):
    server.script = [failure(500, "on fire")]
    with pytest.raises(ProviderError, match=r"openai/second.*on fire"):
        await ask(model="openai/first", fallbacks=("openai/second",), num_retries=0)


async def test_a_fallback_of_another_provider_is_not_sent_to_this_ones_address(server, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "k")
    models = {"anthropic/claude": ModelOptions(api_base="http://127.0.0.1:9")}
    provider = LitellmProvider(LitellmConfig(api_base=server.address, fallbacks=("anthropic/claude",), models=models))
    chain = provider.open_model("openai/first")._chain
    assert [one.target.api_base for one in chain] == [server.address, "http://127.0.0.1:9"]
    bare = LitellmProvider(LitellmConfig(api_base=server.address, fallbacks=("anthropic/claude",)))
    assert [one.target.api_base for one in bare.open_model("openai/first")._chain] == [server.address, None]


async def test_a_header_may_be_read_from_the_environment(ask, server, monkeypatch):
    monkeypatch.setenv("GATEWAY_TOKEN", "from outside")
    await ask(extra_headers={"X-Gateway-Token": "env:GATEWAY_TOKEN"})
    assert server.headers[0]["x-gateway-token"] == "from outside"
    monkeypatch.delenv("GATEWAY_TOKEN")
    with pytest.raises(ConfigError, match="GATEWAY_TOKEN, which is not set"):
        await ask(extra_headers={"X-Gateway-Token": "env:GATEWAY_TOKEN"})


@pytest.mark.parametrize(
    "counts", [{"prompt_tokens": -1, "completion_tokens": None}, {"prompt_tokens": "x"}, "many", {"a": 1}, [], 3]
)
async def test_counts_that_are_none_are_estimated_or_the_answer_is_no_reply(ask, server, counts):
    server.script = [completion("x" * 400, usage=counts)]
    try:
        usage = (await ask(num_retries=0)).usage
    except ProviderError:
        return
    assert (usage.prompt_tokens, usage.completion_tokens) == (4, 100)


async def test_a_configured_price_is_what_a_reply_costs(ask):
    reply = await ask(
        model="openai/ours", usd_per_million_prompt_tokens=1000.0, usd_per_million_completion_tokens=2000.0
    )
    assert reply.usage.cost_usd == pytest.approx(11 * 0.001 + 3 * 0.002)


def test_it_is_known_which_models_have_a_price():
    provider = LitellmProvider(LitellmConfig(models={"openai/ours": ModelOptions(usd_per_million_prompt_tokens=1.0)}))
    priced = {name: provider.open_model(name).priced for name in ("openai/gpt-4o", "openai/ours", "openai/unheard-of")}
    assert priced == {"openai/gpt-4o": True, "openai/ours": True, "openai/unheard-of": False}
    assert provider.open_model("ollama_chat/llama3").priced
