import asyncio
import json

import pluggy
import pytest

from sandmle.core.engine.runs import run_tasks
from sandmle.core.engine.settings import Settings
from sandmle.core.engine.store import read_config, read_episodes
from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.errors import ConfigError, PluginError, RunError, SandboxError, TaskError
from sandmle.core.hooks import hookspecs
from sandmle.core.hooks.hookspecs import hookimpl
from sandmle.core.hooks.manager import Plugins, load_plugins
from sandmle.core.hooks.registry import Kind, Registered, Registry, Spec

SCRIPT = ("<think>so</think>write 0.05", "submit", "finish")


class FailingObserver:
    @hookimpl
    def sandmle_event(self, event):
        raise RuntimeError("observer down")


class FailingTracker:
    def record(self, event):
        print("where the program's one document goes")
        raise RuntimeError("tracker down")

    def close(self):
        raise SystemExit("tracker down for good")


class Failing:
    """A benchmark and a provider that fail in their own code."""

    def task_dirs(self):
        raise KeyError("no tasks today")

    def open_model(self, model):
        raise KeyError("no models today")


@pytest.fixture
def bench(make_task, puppets, tmp_path):
    """A toolkit of puppets around the real rewards and the real corpus of one task."""
    make_task()
    sandbox = puppets["sandbox"]()

    class Provider:
        def open_model(self, model):
            opened = puppets["model"](SCRIPT, name=model)
            opened.lacks = "set the environment variable PUPPET_API_KEY" if model == "puppet/keyless" else None
            return opened

    class Bench:
        root = tmp_path / "run"

        def __init__(self):
            self.sandbox = sandbox

        def toolkit(self, **run):
            real = load_plugins(builtins=["sandmle.rewards.plugin", "sandmle.plugins.benchmarks.plugin"])
            entries = {(one.kind, one.spec.name): one for one in real.registry}
            makers = {
                (Kind.LLM, "puppet"): Provider,
                (Kind.SANDBOX, "puppet"): lambda: sandbox,
                (Kind.SCAFFOLD, "puppet"): puppets["scaffold"],
                (Kind.TRACKER, "failing"): FailingTracker,
                (Kind.BENCHMARK, "failing"): Failing,
                (Kind.LLM, "failing"): Failing,
            }
            for (kind, name), maker in makers.items():
                spec = Spec(name=name, summary=name, make=lambda config, maker=maker: maker())
                entries[kind, name] = Registered(kind=kind, spec=spec, source="tests")
            manager = pluggy.PluginManager(hookspecs.PROJECT)
            manager.add_hookspecs(hookspecs)
            manager.register(FailingObserver())
            chosen = {"model": "puppet/model", "sandbox": "puppet", "scaffold": "puppet", "trackers": ("failing",)}
            settings = Settings.model_validate(
                {
                    "run": {**chosen, "group_size": 2, **run},
                    "plugin": {"benchmark": {"corpus": {"path": str(tmp_path / "tasks")}}},
                }
            )
            return Toolkit(plugins=Plugins(manager=manager, registry=Registry(entries)), settings=settings)

        async def run(self, **run):
            return await run_tasks(self.toolkit(**run), self.root, asyncio.Event())

    return Bench()


async def test_failing_observers_and_trackers_are_logged_and_stop_nothing(bench, caplog, capsys):
    summary = await bench.run()
    assert (summary.complete, summary.episodes, summary.outcomes) == (True, 2, {"scored": 2})
    assert summary.agents[0].gold.mean == 1
    assert "observer down" in caplog.text
    assert "tracker 'failing' failed on EpisodeFinished" in caplog.text
    assert "tracker 'failing' failed to close: it tried to end the program" in caplog.text
    assert capsys.readouterr().out == ""


async def test_the_directory_tells_what_was_asked_and_what_happened(bench):
    summary = await bench.run()
    config = read_config(bench.root)
    assert config["run"]["model"] == "puppet/model"
    assert list(config["tasks"]) == ["copy"]
    assert config["reward"]["presets"]["release"]["gold"] == 0.1
    events = [json.loads(line)["event"] for line in (bench.root / "events.jsonl").read_text().splitlines()]
    assert events == ["RunStarted", "EpisodeFinished", "EpisodeFinished", "RunFinished"]
    assert json.loads(json.dumps(summary.as_json(), allow_nan=False))["agents"][0]["reward"]["tasks"] == 1
    assert "2 of 2 episodes" in summary.as_text()


async def test_a_complete_run_is_summed_up_again_without_opening_a_session(bench):
    first = await bench.run()
    opened = bench.sandbox.opened
    assert await bench.run() == first
    assert bench.sandbox.opened == opened


async def test_a_run_that_only_the_infrastructure_failed_has_json_without_nan(bench):
    bench.sandbox.refuse_sessions = 6
    summary = await bench.run()
    assert summary.outcomes == {"infrastructure": 2}
    assert summary.infrastructure_failures == {"none": 6}
    assert summary.infrastructure_failure_rates == {"none": 1.0}
    assert json.loads(json.dumps(summary.as_json(), allow_nan=False))["agents"][0]["reward"]["mean"] is None
    assert "6 after none; 2 slots left out" in summary.as_text()


async def test_what_the_infrastructure_failed_altogether_is_played_again_by_the_same_command(bench):
    bench.sandbox.refuse_sessions = 6
    lost = await bench.run()
    assert "failed every episode on every try; the same command plays them again" in lost.lost
    assert "The last failure: SandboxError" in lost.lost
    played = await bench.run()
    assert (played.outcomes, played.lost) == ({"scored": 2}, None)
    assert played.infrastructure_failures == {"none": 6}
    # Once something was played, what is left out stays so.
    opened = bench.sandbox.opened
    assert (await bench.run()).outcomes == {"scored": 2}
    assert bench.sandbox.opened == opened


async def test_slots_left_out_beside_others_that_were_played_stay_left_out(bench):
    bench.sandbox.refuse_sessions = 3
    summary = await bench.run(concurrency=1)
    assert (summary.outcomes, summary.lost) == ({"infrastructure": 1, "scored": 1}, None)
    assert await bench.run(concurrency=1) == summary


async def test_a_sandbox_weaker_than_asked_for_is_on_record_with_the_reason(bench):
    bench.sandbox.weaker_because = ("L3: it was late",)
    await bench.run()
    (event,) = [
        one
        for one in map(json.loads, (bench.root / "events.jsonl").read_text().splitlines())
        if one["event"] == "LevelLowered"
    ]
    assert (event["sandbox"], event["reasons"]) == (bench.sandbox.name, ["L3: it was late"])
    assert event["level"] == bench.sandbox.level.value


async def test_what_decides_an_episode_must_not_change_and_what_watches_it_may(bench):
    await bench.run()
    await bench.run(trackers=())
    with pytest.raises(RunError, match=r"run\.temperature: was 1\.0, is 0\.5"):
        await bench.run(temperature=0.5)
    with pytest.raises(RunError, match=r"run\.group_size: was 2, is 3"):
        await bench.run(group_size=3)


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"scaffold": "pupet"}, "no scaffold named 'pupet'; did you mean 'puppet'"),
        ({"sandbox": "pupet"}, "no sandbox named 'pupet'"),
        ({"reward": "releas"}, "no reward preset named 'releas'; did you mean 'release'"),
        ({"trackers": ("x",)}, "no tracker named 'x'"),
        ({"benchmark": "corpsu"}, "no benchmark named 'corpsu'; did you mean 'corpus'"),
    ],
)
async def test_an_unknown_name_is_refused_before_anything_is_written(bench, wrong, complaint):
    with pytest.raises(ConfigError, match=complaint):
        await bench.run(**wrong)
    assert not bench.root.exists()


async def test_two_tasks_of_one_id_are_refused(bench, tmp_path):
    (tmp_path / "tasks" / "copy").rename(tmp_path / "tasks" / "one")
    (tmp_path / "tasks" / "two").symlink_to(tmp_path / "tasks" / "one")
    with pytest.raises(TaskError, match="two tasks have the id 'copy'"):
        await bench.run()


async def test_a_sandbox_that_cannot_start_is_closed_and_attributed(bench, monkeypatch):
    closed = []

    async def refuse():
        raise OSError("no kernel")

    async def note():
        closed.append(True)

    monkeypatch.setattr(bench.sandbox, "start", refuse)
    monkeypatch.setattr(bench.sandbox, "close", note)
    with pytest.raises(SandboxError, match="starting sandbox 'puppet': OSError: no kernel"):
        await bench.run()
    assert closed == [True]
    assert list(read_episodes(bench.root)) == []


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ({"benchmark": "failing"}, "benchmark 'failing' of plugin 'tests' cannot list its tasks: KeyError"),
        ({"model": "failing/x"}, "llm 'failing' of plugin 'tests' cannot open 'failing/x': KeyError"),
    ],
)
async def test_a_plugin_that_fails_before_the_first_episode_is_named(bench, words, named):
    with pytest.raises(PluginError, match=named):
        await bench.run(**words)
    assert not bench.root.exists()


async def test_a_model_that_lacks_its_key_is_refused_before_the_first_episode(bench):
    with pytest.raises(
        ConfigError, match="'puppet/keyless' cannot be asked: set the environment variable PUPPET_API_KEY"
    ):
        await bench.run(model="puppet/keyless")
    assert not bench.root.exists()
