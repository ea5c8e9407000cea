"""A run of which the machinery let nothing be played is no success."""

import json
import socket

import pytest

from sandmle.core.conformance.copying import copying_draft
from sandmle.core.engine.tasks import write_task


@pytest.fixture
def deaf_address():
    """Where nobody listens, for as long as the test takes."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}/v1"


@pytest.mark.slow
def test_a_run_whose_every_try_failed_ends_with_an_error_and_its_reason(sandmle, tmp_path, deaf_address):
    write_task(tmp_path / "tasks", copying_draft("one"))
    brief = ("-k", 1, "--set", "run.infrastructure_retries=0", "--set", "plugin.llm.litellm.num_retries=0")
    model = ("--model", "openai/gpt-5", "--api-base", deaf_address)
    words = ("--tasks", tmp_path / "tasks", *model, *brief, "--set", "plugin.sandbox.process.preload=[]", "--json")
    for _ in range(2):
        done = sandmle("run", *words, "-o", tmp_path / "run", code=4, OPENAI_API_KEY="loopback-key")
        document = json.loads(done.stdout)
        assert (document["outcomes"], document["complete"]) == ({"infrastructure": 1}, True)
        assert document["lost"] in done.stderr
        assert "the same command plays them again" in document["lost"]
        assert "ProviderError" in document["lost"]
    # Each of the two commands tried.
    assert len((tmp_path / "run" / "failures.jsonl").read_text().splitlines()) == 2
    matrix = ("matrix", "--models", "base=openai/gpt-5", "--scaffolds", "react", "-o", tmp_path / "matrix")
    api_base = ("--set", f"plugin.llm.litellm.api_base={deaf_address}")
    done = sandmle(*matrix, "--tasks", tmp_path / "tasks", *brief, *api_base, "--json", code=4, OPENAI_API_KEY="x")
    [failure] = json.loads(done.stdout)["failures"]
    assert "the same command plays them again" in failure["problem"]
