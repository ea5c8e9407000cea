"""Replies kept by prompt, options and sample index."""

import os
import signal
import sqlite3
import subprocess
import sys

import pytest

from sandmle.core.errors import ConfigError
from sandmle.core.types.message import Message, ModelReply, Reasoning, ReplyOptions, ToolCall, ToolSpec, Usage
from sandmle.plugins.llms.cache import ReplyCache, key_of
from sandmle.plugins.llms.config import LitellmConfig, ModelOptions
from sandmle.plugins.llms.litellm_model import LitellmProvider

from .conftest import HELLO, completion, failure

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Pydantic serializer warnings"),
]
BASE = ReplyOptions(timeout_s=20, sample_index=1)
TOOL = ToolSpec(name="f", description="", parameters={"type": "object"})


@pytest.fixture
async def cached(server, tmp_path):
    """Ask a model that keeps its replies; each answer of the server is numbered."""
    server.script = lambda request: completion(f"answer {len(server.asked)}")
    opened = []

    async def asking(messages=HELLO, how=BASE, model="openai/gpt-4o", **config):
        made = LitellmConfig(api_base=server.address, cache=str(tmp_path / "new" / "cache.sqlite"), **config)
        opened.append(LitellmProvider(made).open_model(model))
        return await opened[-1].reply(messages, how)

    yield asking
    for model in opened:
        await model.close()


async def test_the_same_call_is_answered_without_asking_and_says_so(cached, server):
    first, again = await cached(), await cached()
    assert (first.text, again.text) == ("answer 1", "answer 1")
    assert (first.cached, again.cached) == (False, True)
    assert first.usage == again.usage
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("messages", "how", "config"),
    [
        ((*HELLO, Message(role="user", content="More")), {}, {}),
        (HELLO, {"sample_index": 2}, {}),
        (HELLO, {"temperature": 0.5}, {}),
        (HELLO, {"max_tokens": 5}, {}),
        (HELLO, {"stop": ("x",)}, {}),
        (HELLO, {"tools": (TOOL,)}, {}),
        (HELLO, {"json_schema": {"type": "object"}}, {}),
        (HELLO, {}, {"options": {"top_p": 0.5}}),
        (HELLO, {}, {"reasoning_effort": "low"}),
        (HELLO, {}, {"models": {"openai/gpt-4o": ModelOptions(temperature=0.1)}}),
        (HELLO, {}, {"model": "openai/gpt-4o-mini"}),
    ],
)
async def test_whatever_decides_a_reply_makes_it_another_call(cached, server, messages, how, config):
    await cached()
    changed = ReplyOptions(**{"timeout_s": 20, "sample_index": 1, **how})
    assert (await cached(messages, changed, **config)).text == "answer 2"


async def test_patience_is_no_part_of_a_call(cached, server):
    await cached()
    assert (await cached(how=ReplyOptions(timeout_s=3, sample_index=1), num_retries=0)).cached


async def test_failures_and_stand_ins_are_not_kept(cached, server):
    server.script = lambda request: failure(500, "no") if request["model"] == "gpt-4o" else completion("a stand-in")
    assert (await cached(fallbacks=("openai/other",), num_retries=0)).answered_by == "openai/other"
    server.script = [completion("itself")]
    assert (await cached()).text == "itself"


async def test_half_a_character_is_kept_as_what_a_file_can_take(cached, server):
    server.script = [completion("half \ud800")]
    first, again = await cached(), await cached()
    assert (first.text, again.text, again.cached) == ("half ?", "half ?", True)


def test_everything_of_a_reply_is_kept(tmp_path):
    reply = ModelReply(
        text="t\x00",
        tool_calls=(ToolCall(call_id="a", name="f", arguments="{"),),
        reasoning=Reasoning(text="r", signed="[]"),
        finish_reason="length",
        usage=Usage(prompt_tokens=1, completion_tokens=2, cost_usd=0.5),
        sampled_ids=(1, 2),
        log_probs=(-0.5, -0.25),
    )
    cache = ReplyCache(tmp_path / "c")
    cache.keep("k", reply)
    assert cache.find("k") == reply
    assert cache.find("other") is None


def test_what_cannot_be_read_is_not_there(tmp_path):
    cache = ReplyCache(tmp_path / "c")
    with sqlite3.connect(tmp_path / "c") as file:
        file.execute('INSERT INTO replies VALUES (\'k\', \'{"text": 1, "of": "another version"}\')')
    file.close()
    assert cache.find("k") is None


def test_a_file_that_is_no_cache_is_refused_in_words(tmp_path):
    (tmp_path / "c").write_text("these are some words and no database at all " * 50)
    with pytest.raises(ConfigError, match=r"reply cache .* cannot be used"):
        ReplyCache(tmp_path / "c")
    with pytest.raises(ConfigError, match=r"reply cache .* cannot be used"):
        ReplyCache(tmp_path / "c" / "below a file")


def test_keys_depend_on_everything_and_on_no_order():
    assert key_of({"a": 1, "b": 2}) == key_of({"b": 2, "a": 1})
    assert key_of({"a": 1}) != key_of({"a": "1"})


WRITER = """
import sys
from pathlib import Path
from sandmle.core.types.message import ModelReply
from sandmle.plugins.llms.cache import ReplyCache
cache = ReplyCache(Path(sys.argv[1]))
for number in range(10**6):
    cache.keep(f"{sys.argv[2]}-{number}", ModelReply(text="x" * 1000))
    print(number, flush=True)
"""


def test_a_kill_leaves_every_reply_that_was_kept(tmp_path):
    words = [sys.executable, "-c", WRITER, str(tmp_path / "c")]
    writers = [subprocess.Popen([*words, name], stdout=subprocess.PIPE, text=True) for name in ("a", "b")]
    for writer in writers:
        for _ in range(5):
            assert writer.stdout.readline()
        os.kill(writer.pid, signal.SIGKILL)
    for writer in writers:
        writer.communicate()
    cache = ReplyCache(tmp_path / "c")
    assert all(cache.find(f"{name}-{number}") for name in ("a", "b") for number in range(5))
