"""Scaffolds through the program against a server on loopback: native tool calls and plain text over the real wire."""

import json
import shutil

import pytest

from sandmle.core.types.message import ModelReply
from sandmle.plugins.llms.offline.agent.player import Strength
from sandmle.plugins.llms.offline.agent.player import play as speak
from tests.loopback.protocols import PROTOCOLS
from tests.loopback.server import serving

OPENAI = PROTOCOLS["openai"]


@pytest.fixture
def server():
    """Its address, and the requests it was sent; it answers what the scripted agent says."""
    asked = []

    def play(messages, request):
        asked.append(request.body)
        said = speak(messages, Strength.MIDDLE, 0)
        return said if isinstance(said, ModelReply) else ModelReply(text=said)

    with serving(OPENAI.responder(play)) as listening:
        yield f"{listening.address}/v1", asked


@pytest.mark.slow
@pytest.mark.parametrize("scaffold", ["openai_tools", "mle_agent", "codeact", "single_turn"])
def test_a_model_behind_a_server_ends_with_a_valid_submission(sandmle_json, server, task_dirs, tmp_path, scaffold):
    address, asked = server
    tabular = next(path for path in task_dirs if path.name.startswith("tabular"))
    shutil.copytree(tabular, tmp_path / "tasks" / tabular.name)
    summary = sandmle_json(
        "run", "--tasks", tmp_path / "tasks", "--scaffold", scaffold, "--model", "openai/test", "-k", 1,
        "-o", tmp_path / "run", "--api-base", address, "--set", "run.max_turns=6",
        OPENAI_API_KEY="loopback-key",
    )  # fmt: skip
    assert summary["outcomes"] == {"scored": 1}
    assert summary["usage"]["prompt_tokens"] == 11 * len(asked)
    [episode] = [json.loads(line) for line in (tmp_path / "run" / "episodes.jsonl").read_text("utf-8").splitlines()]
    assert episode["grade"]["valid"]
    assert all(("tools" in request) == (scaffold == "openai_tools") for request in asked)
    if scaffold == "openai_tools":
        roles = [entry["message"]["role"] for entry in episode["trajectory"]["segments"][0]["entries"]]
        assert "tool" in roles
        assert len(episode["trajectory"]["segments"]) == 1
        assert asked[-1]["messages"][3]["role"] == "tool"
