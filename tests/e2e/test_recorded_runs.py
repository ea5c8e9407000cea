"""Whole runs over the wire: replayed without a server, answered from a cache, stopped by a cap and gone on with."""

import asyncio
import json

import pytest

from sandmle.core.engine.runs import run_tasks
from sandmle.core.engine.store import read_episodes
from sandmle.core.engine.tasks import write_task
from sandmle.core.engine.toolkit import open_toolkit
from sandmle.core.errors import ConfigError
from tests.core.engine.conftest import copying_draft
from tests.loopback.copyist import play
from tests.loopback.protocols import PROTOCOLS
from tests.loopback.server import serving

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Pydantic serializer warnings"),
]
OPENAI = PROTOCOLS["openai"]
PER_REPLY = 14
"""Tokens of a reply, as the server counts them."""


@pytest.fixture
def world(tmp_path, monkeypatch):
    """Two tasks, a server that counts what it is asked, and runs of them."""
    monkeypatch.setenv("OPENAI_API_KEY", "loopback-key")
    for name in ("one", "two"):
        write_task(tmp_path / "tasks", copying_draft(name))
    asked = []

    def watched(messages, request):
        asked.append(request.body)
        return play(messages, request)

    with serving(OPENAI.responder(watched)) as server:
        fixed = {
            "plugin.benchmark.corpus.path": str(tmp_path / "tasks"),
            # The copyist's programs import nothing that takes time.
            "plugin.sandbox.process.preload": [],
            "plugin.llm.litellm.api_base": f"{server.address}/v1",
            "run.model": OPENAI.model,
            "run.scaffold": "react",
            "run.group_size": 2,
            "run.concurrency": 1,
            "run.trackers": [],
        }

        async def run(out, **changes):
            given = {name.replace("__", "."): value for name, value in changes.items()}
            return await run_tasks(open_toolkit(overrides={**fixed, **given}), tmp_path / out, asyncio.Event())

        yield run, asked


def said_and_done(run_dir):
    """Every trajectory, without how long a step took."""
    found = {}
    for line in (run_dir / "episodes.jsonl").read_text("utf-8").splitlines():
        episode = json.loads(line)
        for step in episode["trajectory"]["steps"]:
            del step["wall_s"]
        found[episode["episode_id"]] = (episode["trajectory"], episode["grade"], episode["reward"], episode["usage"])
    return found


@pytest.mark.slow
async def test_a_run_is_replayed_without_its_server_and_answered_from_its_cache(world, tmp_path):
    run, asked = world
    cache = {"plugin__llm__litellm__cache": str(tmp_path / "cache.sqlite")}
    first = await run("first", **cache)
    assert (first.complete, first.outcomes) == (True, {"scored": 4})
    assert first.usage.prompt_tokens + first.usage.completion_tokens == PER_REPLY * len(asked)
    assert sum(one.prompt_tokens for one in first.usage_by_task.values()) == first.usage.prompt_tokens
    recorded, calls = said_and_done(tmp_path / "first"), len(asked)

    replayed = await run("replayed", run__model=f"replay/{tmp_path / 'first'}", plugin__llm__replay__differing="refuse")
    assert said_and_done(tmp_path / "replayed") == recorded
    assert replayed.usage.prompt_tokens == 0

    cached = await run("cached", **cache)
    assert said_and_done(tmp_path / "cached") == recorded
    assert cached.usage.prompt_tokens == 0
    assert len(asked) == calls


@pytest.mark.slow
async def test_a_run_stopped_by_a_cap_goes_on_when_the_cap_is_raised(world, tmp_path):
    run, asked = world
    stopped = await run("run", budget__run_tokens=5 * PER_REPLY)
    assert not stopped.complete
    assert "raise budget.run_tokens" in stopped.budget_problems[0]
    assert "raise budget.run_tokens" in stopped.as_text()
    # With one episode at a time, nothing is under way when the cap is seen.
    assert stopped.usage.prompt_tokens + stopped.usage.completion_tokens == 5 * PER_REPLY
    assert "BudgetReached" in (tmp_path / "run" / "events.jsonl").read_text()
    again = await run("run", budget__run_tokens=5 * PER_REPLY)
    assert (again.episodes, len(asked)) == (stopped.episodes, 5)

    # Another address and more patience do not make it another run.
    finished = await run("run", budget__run_tokens=10**6, plugin__llm__litellm__num_retries=5)
    assert (finished.complete, finished.outcomes, finished.budget_problems) == (True, {"scored": 4}, ())
    assert finished.usage.prompt_tokens + finished.usage.completion_tokens == PER_REPLY * len(asked)
    assert {episode.stop_reason.value for episode in read_episodes(tmp_path / "run")} == {"finished"}


async def test_a_cap_in_money_needs_a_price(world):
    run, asked = world
    with pytest.raises(ConfigError, match="usd_per_million_prompt_tokens"):
        await run("run", budget__run_usd=1.0)
    assert asked == []
