"""What a plugin does wrong ends its episode with an error that names it; the other episodes go on."""

import asyncio
from dataclasses import replace

import pytest

from sandmle.core.engine import own_time
from sandmle.core.engine.evaluation import failure_counts, failure_rates
from sandmle.core.engine.rollout import PLUGIN_FAILURES_IN_A_ROW
from sandmle.core.engine.store import read_episodes, read_failures
from sandmle.core.errors import PluginError
from sandmle.core.types.episode import Outcome
from sandmle.core.types.message import Message
from sandmle.core.types.trajectory import Action, ActionKind, StopReason

pytestmark = pytest.mark.asyncio(loop_scope="module")

GOLD = ("<think>so</think>write 0.05", "submit", "finish")


async def raises(episode):
    raise KeyError("oops")


async def hangs(episode):
    await asyncio.Event().wait()


async def hangs_after_a_turn(episode):
    await episode.ask([Message(role="user", content="go")])
    await asyncio.sleep(3600)


async def returns_something(episode):
    return {"messages": []}


async def acts_in_words(episode):
    await episode.act("run this")


async def runs_no_code_at_all(episode):
    await episode.act(Action(kind=ActionKind.RUN_CODE, code=None))


async def does_what_is_no_kind(episode):
    await episode.act(Action(kind="dance"))


async def asks_in_words(episode):
    await episode.ask("what now?")


async def asks_nothing_readable(episode):
    await episode.ask([Message(role="user", content=None)])


async def asks_as_nobody(episode):
    await episode.ask([Message(role="oracle", content="go")])


async def ends_its_task(episode):
    raise SystemExit(3)


async def cancels_itself(episode):
    task = asyncio.create_task(asyncio.sleep(3600))
    task.cancel()
    await task


async def fails_in_a_task(episode):
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(raises(episode))
        tasks.create_task(asyncio.sleep(3600))


async def clings(episode):
    while True:
        try:
            await episode.ask([Message(role="user", content="go")])
        except Exception:  # noqa: BLE001 - what a careless scaffold does
            continue


async def clings_and_waits(episode):
    while True:
        try:
            await episode.ask([Message(role="user", content="go")])
        except Exception:  # noqa: BLE001 - what a careless scaffold does
            await asyncio.sleep(0.01)


def returns_no_coroutine(episode):
    return 42


@pytest.mark.parametrize(
    ("misdeed", "complaint"),
    [
        (raises, "KeyError: 'oops'"),
        (hangs, "no answer within"),
        (hangs_after_a_turn, "no answer within"),
        (returns_something, "run() returned a dict"),
        (returns_no_coroutine, "TypeError"),
        (acts_in_words, "act() takes an Action, not a str"),
        (runs_no_code_at_all, "the code and the problem of an action are text"),
        (does_what_is_no_kind, "the kind of an action is an ActionKind, not a str"),
        (asks_in_words, "one of them is a str"),
        (asks_nothing_readable, "the content of a message is text, not None"),
        (asks_as_nobody, "the role of a message is one of"),
        (ends_its_task, "SystemExit: 3"),
        (clings, "times after its episode was over; let EpisodeOver pass"),
        (clings_and_waits, "no answer within"),
        (cancels_itself, "it cancelled itself"),
        (fails_in_a_task, "in a group of tasks: KeyError: 'oops'"),
    ],
)
async def test_its_episode_ends_with_a_typed_error_and_the_others_go_on(
    misdeed, complaint, stage, play, puppets, make_task, tmp_path, monkeypatch
):
    monkeypatch.setattr(own_time, "GRACE_S", 0.0)

    class Failing(puppets["scaffold"]):
        def run(self, episode):
            return misdeed(episode) if episode.task.task_id == "bad" else super().run(episode)

    crew = stage.crew(GOLD, scaffold=Failing())
    rules = stage.rules(limits=replace(crew.rules.limits, episode_timeout_s=3))
    tasks = [make_task("bad"), make_task("good")]
    with pytest.raises(PluginError, match=r"scaffold 'puppet'.*the same command goes on once the plugin is repaired"):
        await play(replace(crew, rules=rules), k=2, tasks=tasks, concurrency=4)
    episodes = list(read_episodes(tmp_path / "run"))
    assert {(one.task_id, one.slot, one.outcome) for one in episodes} == {
        ("good", 0, Outcome.SCORED),
        ("good", 1, Outcome.SCORED),
    }
    failures = list(read_failures(tmp_path / "run"))
    assert [(one.task_id, one.kind) for one in failures] == [("bad", "PluginError")] * 2
    assert all("scaffold 'puppet'" in one.error and complaint in one.error for one in failures)


async def test_asking_in_several_tasks_when_the_turns_run_out_is_no_failure(stage, play, puppets):
    class Branching(puppets["scaffold"]):
        async def run(self, episode):
            async with asyncio.TaskGroup() as tasks:
                for number in range(20):
                    tasks.create_task(episode.ask([Message(role="user", content=f"branch {number}")]))

    (episode,) = (await play(stage.crew(GOLD, scaffold=Branching()))).episodes
    assert (episode.outcome, episode.stop_reason) == (Outcome.UNSCORED, StopReason.MAX_TURNS)


async def test_a_task_that_a_scaffold_leaves_behind_asks_and_does_nothing_more(stage, play, puppets):
    left = []

    class Leaving(puppets["scaffold"]):
        async def run(self, episode):
            left.append(asyncio.create_task(self.goes_on(episode)))

        async def goes_on(self, episode):
            await asyncio.sleep(0)
            await episode.ask([Message(role="user", content="go")])

    model = puppets["model"](GOLD)
    (episode,) = (await play(stage.crew(GOLD, model=model, scaffold=Leaving()))).episodes
    assert episode.stop_reason is StopReason.FINISHED
    assert [type(one).__name__ for one in await asyncio.gather(*left, return_exceptions=True)] == ["EpisodeOver"]
    assert (model.asked, episode.trajectory.replies()) == ([], [])


async def test_they_count_as_no_failure_of_the_infrastructure(stage, play, puppets, tmp_path):
    def trip(episode):
        raise KeyError("oops")

    with pytest.raises(PluginError, match=r"scaffold 'puppet': KeyError: 'oops' \(task copy, slot 0\)"):
        await play(stage.crew(GOLD, scaffold=puppets["scaffold"](before=trip)))
    failures = list(read_failures(tmp_path / "run"))
    assert failure_counts(failures) == {}
    assert failure_rates(failures, read_episodes(tmp_path / "run")) == {}


async def test_a_repaired_scaffold_plays_the_slots_that_it_failed(stage, play, puppets):
    def trip_once(episode):
        if not tripped:
            tripped.append(episode)
            raise KeyError("oops")

    tripped = []
    crew = stage.crew(GOLD, scaffold=puppets["scaffold"](before=trip_once))
    with pytest.raises(PluginError, match="oops"):
        await play(crew, k=3)
    played = await play(crew, k=3)
    assert sorted(one.slot for one in played.episodes) == [0, 1, 2]


async def test_a_scaffold_that_fails_every_time_stops_the_run_early(stage, play, puppets, tmp_path):
    def trip(episode):
        raise KeyError("oops")

    with pytest.raises(PluginError, match=f"{PLUGIN_FAILURES_IN_A_ROW} episodes were ended like this"):
        await play(stage.crew(GOLD, scaffold=puppets["scaffold"](before=trip)), k=40)
    assert len(list(read_failures(tmp_path / "run"))) == PLUGIN_FAILURES_IN_A_ROW


async def test_the_hosts_own_work_is_not_taken_for_a_hang(stage, play, puppet_sandbox, monkeypatch):
    monkeypatch.setattr(own_time, "GRACE_S", 0.2)
    puppet_sandbox.opening_s = 0.5
    crew = stage.crew(("<think>so</think>stall", *GOLD), sandbox=puppet_sandbox)
    rules = stage.rules(limits=replace(crew.rules.limits, episode_timeout_s=30))
    (episode,) = (await play(replace(crew, rules=rules))).episodes
    assert episode.outcome is Outcome.SCORED


async def test_a_milestone_that_raises_is_named_and_the_others_go_on(stage, play, tmp_path):
    class Picky:
        name = "format"

        def value(self, episode):
            if episode.slot == 0:
                raise RuntimeError("no luck")
            return 1.0

    crew = stage.crew(GOLD)
    preset = replace(crew.preset, milestones=(Picky(), *crew.preset.milestones[1:]))
    with pytest.raises(PluginError, match="milestone 'format' failed on episode copy/0"):
        await play(replace(crew, preset=preset), k=3)
    assert sorted(one.slot for one in read_episodes(tmp_path / "run")) == [1, 2]
