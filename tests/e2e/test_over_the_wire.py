"""Scaffolds through the program against a server on loopback: native tool calls and plain text over the real wire."""

import json
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from sandmle.core.types.message import ModelReply
from sandmle.plugins.llms.offline.agent.player import Strength
from sandmle.plugins.llms.offline.agent.player import play as speak
from sandmle.plugins.llms.tool_calls import from_wire, wire_call


def answer(request):
    """What the scripted agent says to a request of the OpenAI protocol, in that protocol."""
    said = speak([from_wire(message) for message in request["messages"]], Strength.MIDDLE, 0)
    reply = said if isinstance(said, ModelReply) else ModelReply(text=said)
    message = {"role": "assistant", "content": reply.text}
    if reply.tool_calls:
        message["tool_calls"] = [wire_call(call) for call in reply.tool_calls]
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "test",
        "choices": [{"index": 0, "finish_reason": "tool_calls" if reply.tool_calls else "stop", "message": message}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18},
    }


@pytest.fixture
def server():
    """Its address, and the requests it was sent."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            request = json.loads(self.rfile.read(int(self.headers["content-length"])))
            asked.append(request)
            body = json.dumps(answer(request)).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words):
            """Say nothing."""

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{listening.server_port}/v1", asked
    listening.shutdown()
    listening.server_close()
    thread.join()


@pytest.mark.slow
@pytest.mark.parametrize("scaffold", ["openai_tools", "mle_agent", "codeact", "single_turn"])
def test_a_model_behind_a_server_ends_with_a_valid_submission(sandmle_json, server, task_dirs, tmp_path, scaffold):
    address, asked = server
    tabular = next(path for path in task_dirs if path.name.startswith("tabular"))
    shutil.copytree(tabular, tmp_path / "tasks" / tabular.name)
    summary = sandmle_json(
        "run", "--tasks", tmp_path / "tasks", "--scaffold", scaffold, "--model", "openai/test", "-k", 1,
        "-o", tmp_path / "run", "--set", f"plugin.llm.litellm.api_base={address}", "--set", "run.max_turns=6",
        OPENAI_API_KEY="loopback-key",
    )  # fmt: skip
    assert summary["outcomes"] == {"scored": 1}
    [episode] = [json.loads(line) for line in (tmp_path / "run" / "episodes.jsonl").read_text("utf-8").splitlines()]
    assert episode["grade"]["valid"]
    assert all(("tools" in request) == (scaffold == "openai_tools") for request in asked)
    if scaffold == "openai_tools":
        roles = [entry["message"]["role"] for entry in episode["trajectory"]["segments"][0]["entries"]]
        assert "tool" in roles
        assert len(episode["trajectory"]["segments"]) == 1
        assert asked[-1]["messages"][3]["role"] == "tool"
