"""Native tool calls over the wire, against a loopback server that speaks the protocols of OpenAI and Anthropic."""

import json
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandmle.core.errors import ProviderError
from sandmle.core.types.message import Message, ReplyOptions, ToolCall, ToolSpec
from sandmle.plugins.llms.config import LitellmConfig
from sandmle.plugins.llms.litellm_model import LitellmProvider
from sandmle.plugins.llms.tool_calls import read_calls, wire_messages

from .conftest import Answer, completion

# litellm's pooled connections and its logging tasks outlive the event loop of a test.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Pydantic serializer warnings"),
]

RUN = ToolSpec(
    name="run_python",
    description="Run a cell.",
    parameters={"type": "object", "properties": {"code": {"type": "string"}}, "required": ["code"]},
)
OPTIONS = ReplyOptions(tools=(RUN,), timeout_s=20)
QUESTION = Message(role="user", content="Go.")


def called(call_id, name, arguments):
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


@pytest.fixture
async def ask(server):
    opened = []

    async def asking(messages=(QUESTION,), how=OPTIONS, model="openai/test", base="/v1"):
        config = LitellmConfig(api_base=server.address.removesuffix("/v1") + base, backoff_s=0.0, num_retries=0)
        opened.append(LitellmProvider(config).open_model(model))
        return await opened[-1].reply(messages, how)

    yield asking
    for model in opened:
        await model.close()


async def test_functions_are_offered_and_calls_come_back_in_order(ask, server):
    calls = [called("a", "run_python", '{"code": "1"}'), called("b", "submit", "{}")]
    server.script = [completion(None, finish_reason="tool_calls", tool_calls=calls)]
    reply = await ask()
    assert reply.text == ""
    assert reply.finish_reason == "stop"
    assert reply.tool_calls == (
        ToolCall(call_id="a", name="run_python", arguments='{"code": "1"}'),
        ToolCall(call_id="b", name="submit", arguments="{}"),
    )
    [tool] = server.asked[0]["tools"]
    assert tool["function"]["name"] == "run_python"
    assert tool["function"]["parameters"]["required"] == ["code"]


async def test_nothing_is_offered_where_nothing_was_given(ask, server):
    await ask(how=ReplyOptions(timeout_s=20))
    assert "tools" not in server.asked[0]


async def test_calls_and_responses_go_back_as_they_were(ask, server):
    call = ToolCall(call_id="a", name="run_python", arguments='{"code": "print(1)"}')
    said = Message(role="assistant", content="", tool_calls=(call,))
    await ask((QUESTION, said, Message(role="tool", content="1", tool_call_id="a")))
    _, assistant, tool = server.asked[0]["messages"]
    assert assistant["tool_calls"] == [called("a", "run_python", '{"code": "print(1)"}')]
    assert assistant.get("content") is None
    assert tool == {"role": "tool", "content": "1", "tool_call_id": "a"}


async def test_anthropics_protocol_carries_the_same_calls(ask, server, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "loopback-key")
    body = {
        "id": "m", "type": "message", "role": "assistant", "model": "claude", "stop_reason": "tool_use",
        "content": [
            {"type": "text", "text": "I look."},
            {"type": "tool_use", "id": "t1", "name": "run_python", "input": {"code": "print(1)"}},
        ],
        "usage": {"input_tokens": 5, "output_tokens": 6},
    }  # fmt: skip
    server.script = [Answer(body=json.dumps(body).encode())]
    broken = ToolCall(call_id="t0", name="run python!", arguments='{"code": ')
    history = (
        QUESTION,
        Message(role="assistant", content="", tool_calls=(broken,)),
        Message(role="tool", content="not JSON", tool_call_id="t0"),
    )
    reply = await ask(history, model="anthropic/claude-3-5-sonnet-20241022", base="")
    assert reply.text == "I look."
    assert [(one.name, json.loads(one.arguments)) for one in reply.tool_calls] == [("run_python", {"code": "print(1)"})]
    sent = server.asked[0]
    assert sent["tools"][0]["name"] == "run_python"
    assert sent["messages"][1]["content"][0]["name"] == "run_python_"
    assert sent["messages"][2]["content"][0]["tool_use_id"] == "t0"


async def test_a_provider_that_knows_no_tools_is_refused_in_words(ask, server):
    with pytest.raises(ProviderError, match="offers no tools to models of 'petals'"):
        await ask(model="petals/llama3")
    assert server.asked == []


async def test_ollama_is_asked_by_its_chat_protocol_when_there_are_tools(ask, server):
    call = {"function": {"name": "run_python", "arguments": {"code": "1"}}}
    message = {"role": "assistant", "content": "", "tool_calls": [call]}
    server.script = [Answer.json({"model": "m", "message": message, "done": True, "eval_count": 1})]
    reply = await ask(model="ollama/llama3", base="")
    assert [one.name for one in reply.tool_calls] == ["run_python"]
    assert server.asked[0]["messages"][-1]["content"] == "Go."


@pytest.mark.parametrize(
    ("name", "arguments"),
    [(None, None), ("", "{"), ("run", {"code": "x"}), ("run", "[1]"), ("a b\n</x>", "\x00"), ("x" * 500, "{}")],
)
async def test_a_call_that_is_none_comes_back_for_judging_and_can_be_sent_again(ask, server, name, arguments):
    call = {"id": "a", "type": "function", "function": {"name": name, "arguments": arguments}}
    message = SimpleNamespace(
        tool_calls=[SimpleNamespace(id="a", function=SimpleNamespace(name=name, arguments=arguments))]
    )
    [read] = read_calls(message)
    assert read.name == (name or "")
    assert call["id"] == read.call_id
    said = Message(role="assistant", content="", tool_calls=(read,))
    await ask((QUESTION, said, Message(role="tool", content="no", tool_call_id="a")))
    [sent] = server.asked[0]["messages"][1]["tool_calls"]
    assert isinstance(json.loads(sent["function"]["arguments"]), dict)
    assert 0 < len(sent["function"]["name"]) <= 64


def test_calls_without_ids_or_with_the_same_one_get_their_own():
    def one(call_id):
        return SimpleNamespace(id=call_id, function=SimpleNamespace(name="f", arguments="{}"))

    read = read_calls(SimpleNamespace(tool_calls=[one(None), one("x_4"), one("x"), one("x"), one("x")]))
    assert len({call.call_id for call in read}) == 5


def test_a_reply_without_calls_has_none():
    assert read_calls(SimpleNamespace(tool_calls=None)) == ()
    assert read_calls(SimpleNamespace()) == ()


@given(st.text(), st.text())
def test_any_call_can_be_sent(name, arguments):
    call = ToolCall(call_id="a", name=name, arguments=arguments)
    [wire] = wire_messages([Message(role="assistant", content="", tool_calls=(call,))])
    function = wire["tool_calls"][0]["function"]
    assert isinstance(json.loads(function["arguments"]), dict)
    assert function["name"].replace("_", "").replace("-", "").isalnum() or set(function["name"]) <= set("_-")
