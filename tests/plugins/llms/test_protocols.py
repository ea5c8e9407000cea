"""Every protocol over the wire, against real servers: text, tool calls, reasoning, options, keys, failures."""

import json
from dataclasses import replace

import pytest

from sandmle.core.errors import ProviderError
from sandmle.core.types.message import Message, ModelReply, Reasoning, ReplyOptions, ToolCall, ToolSpec
from sandmle.plugins.llms.config import LitellmConfig, ModelOptions
from sandmle.plugins.llms.litellm_model import LitellmProvider
from tests.loopback.protocols import PROTOCOLS
from tests.loopback.server import Answer, serving

from .conftest import HELLO

# litellm's pooled connections and its logging tasks outlive the event loop of a test.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Pydantic serializer warnings"),
]
OPTIONS = ReplyOptions(timeout_s=30)
RUN = ToolSpec(
    name="run_python",
    description="Run a cell.",
    parameters={"type": "object", "properties": {"code": {"type": "string"}}, "required": ["code"]},
)
SECRET = "what was thought before"


class World:
    """One protocol's server, and models that ask it."""

    def __init__(self, protocol):
        self.protocol = protocol
        self.said = ModelReply(text="hello")
        self.answers = []
        """Given out one by one before the server begins to answer well."""
        self.seen = []
        self.requests = []
        self.opened = []

    def respond(self, request):
        if not request.path.endswith("/api/show"):
            self.requests.append(request)
            if self.answers:
                return self.answers.pop(0)
        return self.protocol.responder(self.play)(request)

    def play(self, messages, request):
        self.seen.append(messages)
        return self.said

    async def ask(self, messages=HELLO, options=OPTIONS, **config):
        made = LitellmConfig(**{"api_base": self.address + self.protocol.suffix, "backoff_s": 0.0, **config})
        self.opened.append(LitellmProvider(made).open_model(self.protocol.model))
        return await self.opened[-1].reply(messages, options)


@pytest.fixture(params=sorted(PROTOCOLS))
async def world(request, monkeypatch):
    made = World(PROTOCOLS[request.param])
    if made.protocol.key_variable:
        monkeypatch.setenv(made.protocol.key_variable, "loopback-key")
    with serving(made.respond) as listening:
        made.address = listening.address
        yield made
    for model in made.opened:
        await model.close()


async def test_the_conversation_arrives_and_the_text_comes_back_with_its_usage(world):
    reply = await world.ask()
    assert (reply.text, reply.finish_reason, reply.tool_calls, reply.reasoning) == ("hello", "stop", (), None)
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (11, 3)
    assert [(one.role, one.content) for one in world.seen[0]] == [("system", "Be brief."), ("user", "Hello")]


async def test_tool_calls_come_back_and_their_results_arrive(world):
    call = ToolCall(call_id="c", name="run_python", arguments='{"code": "print(1)"}')
    world.said = ModelReply(text="I look.", tool_calls=(call,))
    asked = replace(OPTIONS, tools=(RUN,))
    reply = await world.ask(options=asked)
    assert reply.text == "I look."
    assert [(one.name, json.loads(one.arguments)) for one in reply.tool_calls] == [("run_python", {"code": "print(1)"})]
    said = Message(role="assistant", content=reply.text, tool_calls=reply.tool_calls)
    result = Message(role="tool", content="the result", tool_call_id=reply.tool_calls[0].call_id)
    await world.ask((*HELLO, said, result), asked)
    *_, assistant, tool = world.seen[-1]
    assert [(one.name, json.loads(one.arguments)) for one in assistant.tool_calls] == [
        ("run_python", {"code": "print(1)"})
    ]
    assert (tool.role, tool.content) == ("tool", "the result")
    assert "run_python" in json.dumps(world.requests[0].body["tools"])


async def test_reasoning_is_kept_apart_and_not_sent_back_unless_asked(world):
    world.said = ModelReply(text="42", reasoning=Reasoning(text=SECRET))
    reply = await world.ask()
    assert reply.text == "42"
    assert reply.reasoning.text == SECRET
    said = Message(role="assistant", content=reply.text, reasoning=reply.reasoning)
    conversation = (*HELLO, said, Message(role="user", content="And now?"))
    await world.ask(conversation)
    assert SECRET not in json.dumps(world.requests[-1].body)
    await world.ask(conversation, reasoning="sent")
    # For vLLM, litellm takes the field out again: its servers know of none in a request.
    assert (SECRET in json.dumps(world.requests[-1].body)) == (world.protocol.name != "vllm")


async def test_reasoning_can_be_joined_to_the_text(world):
    world.said = ModelReply(text="42", reasoning=Reasoning(text=SECRET))
    reply = await world.ask(reasoning="joined")
    assert reply.text == f"<think>\n{SECRET}\n</think>\n42"
    assert reply.reasoning is None


async def test_a_thought_that_the_model_wrote_into_its_text_stays_there(world):
    world.said = ModelReply(text="<think>\nso\n</think>\n<answer>x</answer>")
    reply = await world.ask()
    assert (reply.text, reply.reasoning) == (world.said.text, None)


async def test_options_of_the_model_win_over_those_of_the_run_and_arrive(world):
    entry = ModelOptions(temperature=0.25, max_tokens=2048, reasoning_effort="low", extra_headers={"X-Team": "blue"})
    await world.ask(options=replace(OPTIONS, temperature=0.9, max_tokens=4096), models={world.protocol.model: entry})
    sent = world.requests[-1]
    assert sent.headers["x-team"] == "blue"
    text = json.dumps(sent.body)
    assert "0.25" in text
    assert "2048" in text
    assert "0.9" not in text
    assert any(word in text for word in ('"reasoning_effort": "low"', '"thinking"', '"thinkingConfig"', '"think"'))


async def test_the_key_comes_from_the_environment(world):
    await world.ask()
    header = world.protocol.key_header
    if header:
        assert "loopback-key" in world.requests[-1].headers[header]
    else:
        assert "loopback-key" not in json.dumps(world.requests[-1].headers)


async def test_without_a_key_a_server_of_ones_own_is_asked_all_the_same(world, monkeypatch):
    if world.protocol.key_variable:
        monkeypatch.delenv(world.protocol.key_variable)
    assert (await world.ask()).text == "hello"


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_what_passes_by_itself_is_tried_again(world, status):
    world.answers = [Answer.json({"error": {"message": "later", "type": "x", "code": status}}, status=status)] * 2
    assert (await world.ask(options=replace(OPTIONS, tools=(RUN,)))).text == "hello"
    assert len(world.requests) == 3
    # What litellm makes of a conversation for one try is not what the next begins with.
    assert [one.role for one in world.seen[-1]] == ["system", "user"]
    assert world.requests[0].body == world.requests[2].body


@pytest.mark.parametrize("reset", [True, False])
async def test_an_answer_cut_off_in_its_middle_is_asked_for_again(world, reset):
    body = json.dumps(world.protocol.write(ModelReply(text="hello " * 50))).encode()
    world.answers = [Answer(body=body, cut_after=60, reset=reset)]
    assert (await world.ask()).text == "hello"
    assert len(world.requests) == 2


async def test_a_model_that_says_nothing_has_answered(world):
    world.said = ModelReply(text="", finish_reason="length")
    reply = await world.ask()
    assert (reply.text, reply.tool_calls, reply.finish_reason) == ("", (), "length")


@pytest.mark.parametrize(("reason", "finish"), [("STOP", "stop"), ("MAX_TOKENS", "length")])
@pytest.mark.parametrize("content", [{}, {"content": {"role": "model"}}])
async def test_a_candidate_of_geminis_without_content_is_an_empty_reply(monkeypatch, content, reason, finish):
    world = World(PROTOCOLS["gemini"])
    candidate = {"finishReason": reason, "index": 0, **content}
    world.answers = [Answer.json({"candidates": [candidate], "usageMetadata": {"promptTokenCount": 11}})]
    with serving(world.respond) as listening:
        world.address = listening.address
        reply = await world.ask()
        await world.opened[0].close()
    assert (reply.text, reply.finish_reason) == ("", finish)
    assert reply.usage.prompt_tokens == 11


WRONG_SHAPE = b'{"usage": 5, "choices": 7, "candidates": 7, "message": 7, "content": 7}'


@pytest.mark.parametrize("body", [b"{not json", b"<html>busy</html>", b'"hello"', WRONG_SHAPE])
async def test_broken_json_is_tried_once_more_and_no_more(world, body):
    world.answers = [Answer(body=body)] * 9
    with pytest.raises(ProviderError, match=r"something that is no reply \(after 1 further try\)"):
        await world.ask(num_retries=6)
    assert len(world.requests) == 2


async def test_a_server_that_stalls_or_trickles_meets_the_deadline(world):
    body = json.dumps(world.protocol.write(ModelReply(text="hello"))).encode()
    world.answers = [Answer(body=body, delay_s=30), Answer(body=body, trickle_s=0.2)]
    for _ in range(2):
        with pytest.raises(ProviderError, match=r"no reply within 0\.5 s"):
            await world.ask(options=replace(OPTIONS, timeout_s=0.5))


async def test_a_request_that_hangs_leaves_time_for_another(world):
    world.answers = [Answer(delay_s=30)]
    assert (await world.ask(try_timeout_s=3.0)).text == "hello"
    assert len(world.requests) == 2


@pytest.mark.parametrize("counts", ["negative", "absent", "huge"])
async def test_wrong_token_counts_are_put_right(world, counts):
    def wrong(document):
        if isinstance(document, dict):
            for name, value in list(document.items()):
                if name in ("usage", "usageMetadata") and counts == "absent":
                    del document[name]
                elif "token" in name.lower() or name.endswith("eval_count"):
                    document[name] = {"negative": -5, "huge": 10**12, "absent": 0}[counts]
                else:
                    wrong(value)

    document = world.protocol.write(ModelReply(text="x" * 400))
    wrong(document)
    world.answers = [Answer.json(document)]
    usage = (await world.ask()).usage
    if counts == "absent" and world.protocol.name in ("anthropic", "gemini"):
        # For litellm, what these send without counts is no reply, so that it is asked for again.
        assert len(world.requests) == 2
    elif counts == "huge":
        assert usage.prompt_tokens < 10_000
        assert usage.completion_tokens < 20_000
    else:
        assert (usage.prompt_tokens, usage.completion_tokens) == (4, 100)


async def test_an_address_may_end_as_openais_does(world):
    assert (await world.ask(api_base=f"{world.address}/v1")).text == "hello"
    assert "/v1/v1" not in world.requests[-1].path
