"""The overhead benchmark's own parts: whose time it is, what is played, and what its table says."""

import asyncio
import subprocess
import sys
import time
from collections import Counter

import pytest

from sandmle.core.conformance.scaffold import ScriptedEpisode, play
from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.hooks.manager import load_plugins
from sandmle.core.hooks.registry import Kind
from sandmle.core.types.message import ModelReply, ToolCall
from sandmle.core.types.trajectory import ActionKind

TOOLKIT = Toolkit(plugins=load_plugins(builtins=("sandmle.scaffolds.plugin",)))


def work(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


@pytest.fixture
def clock():
    from overhead_parts.clock import PartClock

    return PartClock()


async def test_time_is_charged_to_the_innermost_part_and_to_its_step(clock):
    async def inner():
        work(0.2)
        await asyncio.sleep(0.5)

    async def outer():
        await clock.charged(inner(), "inner")
        work(0.01)
        return "done"

    account = clock.new_account()
    assert await clock.charged(outer(), "outer", account) == "done"
    account.close_step()
    assert account.steps == [clock.totals]
    # Waiting is nobody's work, so nothing of the half second is charged, nor inner work to the outer part.
    assert 0.2e9 <= clock.totals["inner"] < 0.5e9
    assert 0.01e9 <= clock.totals["outer"] < 0.2e9


async def test_a_task_is_charged_to_the_part_that_started_it(clock):
    async def background():
        await asyncio.sleep(0)
        work(0.01)

    async def part():
        return asyncio.create_task(background())

    loop = asyncio.get_running_loop()
    clock.attach(loop)
    try:
        account = clock.new_account()
        await (await clock.charged(part(), "part", account))
    finally:
        loop.set_task_factory(None)
    assert account.open["part"] >= 0.01e9


async def test_what_is_thrown_in_and_out_passes_through(clock):
    async def cancelled():
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            raise ValueError("told to stop") from None

    task = asyncio.create_task(clock.charged(cancelled(), "part"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(ValueError, match="told to stop"):
        await task
    assert clock._running == []


async def test_a_stopped_clock_charges_nobody(clock):
    async def part():
        await asyncio.create_task(asyncio.sleep(0))
        work(0.01)
        return "done"

    loop = asyncio.get_running_loop()
    clock.attach(loop)
    factory = loop.get_task_factory()
    try:
        with clock.stopped():
            assert await clock.charged(part(), "part", clock.new_account()) == "done"
            assert loop.get_task_factory() is None
        assert loop.get_task_factory() is factory
    finally:
        loop.set_task_factory(None)
    assert not clock.totals


def test_a_step_takes_what_it_takes_unwatched(clock):
    from overhead_parts.ours import Played

    figures = {"steps": 2, "turns": 2, "elapsed_s": 1.0, "step_parts": ()}
    unwatched = Played(**figures, host_cpu_s=0.006, others_cpu_s=0.002, totals=Counter())
    steps = (Counter({"litellm": 1_000_000}), Counter({"litellm": 3_000_000}))
    totals = Counter({"litellm": 4_000_000, "the model itself": 2_000_000})
    watched = Played(
        **{**figures, "step_parts": steps}, host_cpu_s=0.010, others_cpu_s=0.004, totals=totals, unwatched=unwatched
    )
    # Of 6 ms a step the model is 1 left out already; unwatched it is 4 less 1, so that half of the 6 is left.
    assert watched.cpu_ms() == pytest.approx(6)
    assert watched.step_ms() == pytest.approx(sum(watched.parts_ms().values()) / 2)
    assert watched.clock_ms() == pytest.approx(watched.step_ms())


def test_the_time_of_children_counts():
    from overhead_parts.processes import tree_cpu_s

    before = tree_cpu_s()
    subprocess.run([sys.executable, "-c", "import time\nwhile time.process_time() < 0.2: pass"], check=True)
    assert tree_cpu_s() - before >= 0.15


@pytest.mark.parametrize("name", TOOLKIT.registry.names(Kind.SCAFFOLD))
async def test_every_scaffold_understands_the_scripted_model(name):
    from overhead_parts.world import SCAFFOLDS, says

    assert name in SCAFFOLDS

    def speak(messages, turn):
        text = says(name, [{"role": one.role, "content": one.content} for one in messages])
        if name != "openai_tools":
            return text
        call = ToolCall(call_id=f"call_{turn}", name="run_python", arguments='{"code": "x = 1"}')
        return ModelReply(text="", tool_calls=(call,))

    episode = ScriptedEpisode(speak)
    await play(TOOLKIT.make(Kind.SCAFFOLD, name), episode)
    kinds = Counter(action.kind for action in episode.actions)
    assert kinds[ActionKind.RUN_CODE] >= 1
    assert kinds[ActionKind.INVALID] == 0


async def test_the_loops_beside_play_their_steps(tmp_path):
    from overhead_parts import loops

    assert (await loops.timed(loops.bare, 2, 3, tmp_path))["elapsed_ms"] > 0
    figures = await loops.timed(loops.subprocesses, 1, 2, tmp_path)
    assert figures["cpu_ms"] > 1
    assert (tmp_path / "program_0.py").read_text() == "x = 1"


def test_the_table_says_what_does_not_hold():
    from overhead_parts.tables import as_text

    row = {"median_ms": 3.0, "elapsed_ms": 4.0, "cpu_ms": 5.0, "steps": 9, "turns": 9}
    figures = {
        "episodes": 64,
        "processors": 2,
        "step": {**row, "holds": True, "parts_ms": {"litellm": 1.0}, "clock_ms": 0.5},
        "scaffolds": {"react": row},
        "side_by_side": {"bare loop": row},
        "left_out": "the peer: it cannot be had",
        "busy": {"openai/x": {"busy": 0.9, "delay_s": 2.0, "replies": 9, "elapsed_s": 30.0, "holds": False}},
    }
    text = as_text(figures)
    assert "at most 5: holds" in text
    assert "less the clock that told the parts  -0.500" in text
    assert "90.0% of what it can do; at least 95%: DOES NOT HOLD" in text
    assert "the peer: it cannot be had" in text
