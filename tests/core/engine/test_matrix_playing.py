"""Playing the cells of a matrix with puppets around the real rewards and a real task."""

import asyncio

import pluggy
import pytest

from sandmle.core.engine.matrix import cell_dir, play_matrix
from sandmle.core.engine.matrix_table import read_matrix
from sandmle.core.engine.settings import Settings
from sandmle.core.engine.store import locked, read_config
from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.errors import ConfigError, RunError
from sandmle.core.hooks import hookspecs
from sandmle.core.hooks.manager import Plugins, load_plugins
from sandmle.core.hooks.registry import Kind, Registered, Registry, Spec

MODELS = {"base": "puppet/one", "other": "puppet/two"}
SCRIPT = ("<think>so</think>write 0.05", "submit", "finish")


@pytest.fixture
def play(make_task, puppets, tmp_path):
    """Plays a matrix; `sandbox` may be told to refuse sessions."""
    make_task()

    class Provider:
        def open_model(self, model):
            if model == "puppet/absent":
                raise ConfigError("no model 'puppet/absent'")
            opened = puppets["model"](SCRIPT, name=model)
            opened.priced = model != "puppet/unpriced"
            return opened

    class Play:
        out = tmp_path / "matrix"
        sandbox = puppets["sandbox"]()

        def __init__(self):
            self.told = []

        def toolkit(self, budget, **run):
            real = load_plugins(builtins=["sandmle.rewards.plugin", "sandmle.plugins.benchmarks.plugin"])
            entries = {(one.kind, one.spec.name): one for one in real.registry}
            makers = {
                (Kind.LLM, "puppet"): Provider,
                (Kind.SANDBOX, "puppet"): lambda: self.sandbox,
                (Kind.SCAFFOLD, "puppet"): puppets["scaffold"],
                (Kind.SCAFFOLD, "twin"): puppets["scaffold"],
            }
            for (kind, name), maker in makers.items():
                spec = Spec(name=name, summary=name, make=lambda config, maker=maker: maker())
                entries[kind, name] = Registered(kind=kind, spec=spec, source="tests")
            manager = pluggy.PluginManager(hookspecs.PROJECT)
            manager.add_hookspecs(hookspecs)
            chosen = {"sandbox": "puppet", "trackers": (), "group_size": 2, "infrastructure_retries": 0}
            corpus = {"benchmark": {"corpus": {"path": str(tmp_path / "tasks")}}}
            settings = Settings.model_validate({"run": {**chosen, **run}, "plugin": corpus, "budget": budget})
            return Toolkit(plugins=Plugins(manager=manager, registry=Registry(entries)), settings=settings)

        async def __call__(self, models=MODELS, scaffolds=("puppet", "twin"), *, drain=None, budget=None, **run):
            toolkit, drain = self.toolkit(budget or {}, **run), drain or asyncio.Event()
            return await play_matrix(toolkit, models, scaffolds, self.out, drain, self.told.append)

    return Play()


async def test_every_cell_is_a_run_of_its_own_with_the_same_tasks_and_seed(play):
    played = await play()
    assert (played.interrupted, played.failures) == (False, {})
    configs = {
        (name, scaffold): read_config(cell_dir(play.out, name, scaffold))
        for name in MODELS
        for scaffold in ("puppet", "twin")
    }
    told = {cell: (one["run"]["model"], one["run"]["scaffold"]) for cell, one in configs.items()}
    assert told == {(name, scaffold): (MODELS[name], scaffold) for name, scaffold in configs}
    assert len({str(one["tasks"]) + str(one["run"]["rng_seed"]) for one in configs.values()}) == 1
    assert read_matrix(play.out).complete
    assert play.told[:2] == ["cell 1 of 4: base under puppet", "cell 2 of 4: other under puppet"]


async def test_a_drained_matrix_goes_on_and_another_scaffold_may_be_added(play):
    drain = asyncio.Event()
    drain.set()
    assert (await play(scaffolds=("puppet",), drain=drain)).interrupted
    assert not read_matrix(play.out).complete
    await play(scaffolds=("puppet",))
    opened = play.sandbox.opened
    await play()
    found = read_matrix(play.out)
    assert (found.complete, found.scaffolds) == (True, ("puppet", "twin"))
    # Only the new scaffold's episodes were played.
    assert play.sandbox.opened - opened == opened


async def test_a_cell_whose_machinery_failed_is_named_and_the_others_are_played(play, monkeypatch):
    start, starts = play.sandbox.start, []

    async def fail_once():
        starts.append(1)
        if len(starts) == 2:
            raise OSError("no kernel")
        await start()

    monkeypatch.setattr(play.sandbox, "start", fail_once)
    played = await play()
    assert list(played.failures) == [("other", "puppet")]
    assert "no kernel" in str(played.failures["other", "puppet"])
    found = read_matrix(play.out)
    assert [cell.episodes for cell in found.cells] == [2, 0, 2, 2]
    await play()
    assert read_matrix(play.out).complete


async def test_a_cell_of_which_no_episode_was_played_is_named_and_tried_again(play):
    play.sandbox.refuse_sessions = 2
    played = await play()
    assert list(played.failures) == [("base", "puppet")]
    assert "failed every episode" in str(played.failures["base", "puppet"])
    assert (await play()).failures == {}
    assert read_matrix(play.out).complete


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"scaffolds": ("puppet", "pupet")}, "no scaffold named 'pupet'; did you mean 'puppet'"),
        ({"models": {**MODELS, "third": "puppet/absent"}}, "no model 'puppet/absent'"),
        ({"reward": "releas"}, "no reward preset named 'releas'"),
        ({"trackers": ("diary",)}, "no tracker named 'diary'"),
        ({"models": {**MODELS, "third": "puppet/unpriced"}, "budget": {"run_usd": 1}}, "what puppet/unpriced costs"),
    ],
)
async def test_what_cannot_be_played_is_refused_before_anything_is_written(play, wrong, complaint):
    with pytest.raises(ConfigError, match=complaint):
        await play(**wrong)
    assert not play.out.exists()


async def test_other_settings_are_refused_before_any_cell_is_played(play):
    await play(scaffolds=("twin",))
    with pytest.raises(RunError, match=r"run\.temperature: was 1\.0, is 0\.5"):
        await play(temperature=0.5)
    assert not cell_dir(play.out, "base", "puppet").exists()
    with pytest.raises(RunError, match=r"run\.model: was 'puppet/one', is 'puppet/two'"):
        await play({"base": "puppet/two"}, ("twin",))


async def test_a_directory_of_something_else_or_in_use_is_refused(play):
    play.out.mkdir()
    (play.out / "thesis.tex").touch()
    with pytest.raises(RunError, match=r"is no matrix \(it holds 'thesis\.tex'\)"):
        await play()
    (play.out / "thesis.tex").unlink()
    with locked(play.out), pytest.raises(RunError, match="another process is running in"):
        await play()
