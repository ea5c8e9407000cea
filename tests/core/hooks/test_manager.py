"""Plugins come in through one door, and a broken one stays outside."""

import importlib
import sys
from pathlib import Path

import pytest

from sandmle.core.errors import PluginError
from sandmle.core.hooks.events import Event, RunFinished
from sandmle.core.hooks.hookspecs import hookimpl
from sandmle.core.hooks.manager import PLUGINS_VARIABLE, load_plugins
from sandmle.core.hooks.registry import Kind

GOOD = """
from sandmle import Spec, hookimpl

@hookimpl
def sandmle_register_milestones():
    return [Spec(name="brevity", summary="few turns", make=lambda config: None)]
"""
MISSPELT = """
from sandmle import hookimpl

@hookimpl
def sandmle_register_milestone():
    return []
"""
CLASH = GOOD.replace("brevity", "gold")
RAISES = """
from sandmle import hookimpl

@hookimpl
def sandmle_register_milestones():
    raise RuntimeError("no luck")
"""
NOT_A_SPEC = """
from sandmle import hookimpl

@hookimpl
def sandmle_register_milestones():
    return ["gold"]
"""
WRONG_ARGUMENT = """
from sandmle import hookimpl

@hookimpl
def sandmle_event(happening):
    pass
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Install a one-file distribution the way pip leaves it: a module and its metadata on the path."""

    def put(name: str, source: str) -> None:
        (tmp_path / f"{name}.py").write_text(source)
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[sandmle]\n{name} = {name}\n")

    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delenv(PLUGINS_VARIABLE, raising=False)
    importlib.invalidate_caches()
    yield put
    for path in tmp_path.glob("*.py"):
        sys.modules.pop(path.stem, None)


def test_an_installed_plugin_is_found_and_named_after_its_distribution(install):
    install("brevity_plugin", GOOD)
    plugins = load_plugins()
    mine = [one for one in plugins.registry if one.source == "brevity_plugin"]
    assert [(one.kind, one.spec.name) for one in mine] == [(Kind.MILESTONE, "brevity")]
    assert plugins.broken == ()


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("import nothing_like_it", "cannot be imported: ModuleNotFoundError"),
        (MISSPELT, "unknown hook 'sandmle_register_milestone'; did you mean 'sandmle_register_milestones'?"),
        (CLASH, "a milestone named 'gold' is registered already by 'sandmle'"),
        (RAISES, "hook 'sandmle_register_milestones' failed: RuntimeError: no luck"),
        (NOT_A_SPEC, "returned 'str'; return a list of sandmle.Spec"),
        (WRONG_ARGUMENT, "happening"),
        ("raise SystemExit(3)", "cannot be imported: SystemExit"),
        (GOOD.replace("brevity", "Bad Name/!"), "'Bad Name/!' is no usable name"),
    ],
)
def test_a_broken_plugin_is_reported_and_the_rest_works(install, source, complaint):
    install("broken_plugin", source)
    install("brevity_plugin", GOOD)
    plugins = load_plugins()
    assert [one.name for one in plugins.broken] == ["broken_plugin"]
    assert complaint in plugins.broken[0].problem
    assert "brevity" in plugins.registry.names(Kind.MILESTONE)
    assert "gold" in plugins.registry.names(Kind.MILESTONE)


def test_a_broken_plugin_leaves_no_hook_behind(install):
    install("broken_plugin", RAISES)
    plugins = load_plugins()
    assert not plugins.manager.has_plugin("broken_plugin")


def test_strict_loading_raises(install):
    install("broken_plugin", RAISES)
    with pytest.raises(PluginError, match="no luck"):
        load_plugins(strict=True)


def test_the_variable_chooses_which_strangers_load(install, monkeypatch):
    install("brevity_plugin", GOOD)
    monkeypatch.setenv(PLUGINS_VARIABLE, "")
    assert "brevity" not in load_plugins().registry.names(Kind.MILESTONE)
    monkeypatch.setenv(PLUGINS_VARIABLE, " , brevity_plugin")
    assert "brevity" in load_plugins().registry.names(Kind.MILESTONE)


@pytest.mark.parametrize("failure", [RuntimeError("cannot hear"), SystemExit(3)])
def test_one_failing_observer_does_not_deafen_the_others(caplog, failure):
    heard: list[Event] = []

    class Failing:
        @hookimpl
        def sandmle_event(self, event: Event) -> None:
            raise failure

    class Hearing:
        @hookimpl
        def sandmle_event(self, event: Event) -> None:
            heard.append(event)

    plugins = load_plugins(builtins=())
    plugins.manager.register(Hearing(), name="hearing")
    plugins.manager.register(Failing(), name="failing")
    event = RunFinished(run_id="r", episodes=1, infrastructure=0)
    plugins.emit(event)
    assert heard == [event]
    assert "plugin 'failing' failed observing RunFinished" in caplog.text


def test_a_chosen_plugin_that_is_not_installed_is_reported_with_the_nearest_name(install, monkeypatch):
    install("brevity_plugin", GOOD)
    monkeypatch.setenv(PLUGINS_VARIABLE, "brevity_plugni")
    (broken,) = load_plugins().broken
    assert broken.problem.endswith("no plugin named 'brevity_plugni' is installed; did you mean 'brevity_plugin'?")
    with pytest.raises(PluginError, match="brevity_plugni"):
        load_plugins(strict=True)


def test_what_an_observer_prints_does_not_reach_stdout(capsys):
    class Talking:
        @hookimpl
        def sandmle_event(self, event: Event) -> None:
            print("heard it")

    plugins = load_plugins(builtins=())
    plugins.manager.register(Talking(), name="talking")
    plugins.emit(RunFinished(run_id="r", episodes=1, infrastructure=0))
    assert capsys.readouterr() == ("", "heard it\n")
