"""Settings that a toolkit was made of, or that it finds, and what is set over them."""

import pytest

from sandmle.core.engine.settings import Settings
from sandmle.core.engine.toolkit import Toolkit, open_toolkit
from sandmle.core.errors import ConfigError
from sandmle.core.hooks.manager import load_plugins


@pytest.fixture(scope="module")
def given() -> Toolkit:
    settings = Settings.model_validate(
        {"run": {"group_size": 7, "reward": "sparse"}, "plugin": {"scaffold": {"react": {"max_misread": 5}}}}
    )
    return Toolkit(plugins=load_plugins(), settings=settings)


def test_what_is_set_over_given_settings_leaves_the_rest_of_them_as_it_is(given: Toolkit) -> None:
    changed = given.override({"run.group_size": 2, "run.model": None}, {"plugin.scaffold.react.prompt": "brief"})
    assert (changed.settings.run.group_size, changed.settings.run.reward) == (2, "sparse")
    assert changed.settings.options("scaffold", "react") == {"max_misread": 5, "prompt": "brief"}
    assert changed.settings.run.model == given.settings.run.model
    assert given.settings.run.group_size == 7


def test_a_wrong_key_over_given_settings_is_named(given: Toolkit) -> None:
    with pytest.raises(ConfigError, match=r"run\.group_sise.*did you mean 'group_size'"):
        given.override({"run.group_sise": 2})
    with pytest.raises(ConfigError, match=r"plugin\.scaffold\.react\.max_misread"):
        given.override({"plugin.scaffold.react.max_misread": "many"})


def test_what_is_set_over_found_settings_wins_over_file_and_environment(monkeypatch, tmp_path) -> None:
    (tmp_path / "own.toml").write_text("[run]\ngroup_size = 3\nmax_turns = 4\n")
    monkeypatch.setenv("SANDMLE_RUN__GROUP_SIZE", "5")
    found = open_toolkit(file=tmp_path / "own.toml")
    assert (found.settings.run.group_size, found.settings.run.max_turns) == (5, 4)
    assert found.override({"run.group_size": 6}).settings.run.group_size == 6
