from pathlib import Path

import pytest

from sandmle.core.engine.config import parse_assignments, resolve
from sandmle.core.engine.toolkit import open_toolkit
from sandmle.core.errors import ConfigError
from sandmle.core.hooks.manager import load_plugins


@pytest.fixture(scope="module")
def registry():
    return load_plugins().registry


def test_each_layer_wins_over_the_one_before(registry, tmp_path: Path):
    file = tmp_path / "my.toml"
    file.write_text("[run]\ngroup_size = 2\nconcurrency = 2\nmax_turns = 2\n")
    environment = {"SANDMLE_RUN__CONCURRENCY": "3", "SANDMLE_RUN__MAX_TURNS": "3", "PATH": "/"}
    found = resolve(registry, file=file, environment=environment, overrides={"run.max_turns": 4, "run.model": None})
    run = found.settings.run
    assert (run.group_size, run.concurrency, run.max_turns, run.model) == (2, 3, 4, "offline/agent")
    assert found.origin == {
        "run.group_size": f"file {file}",
        "run.concurrency": "environment SANDMLE_RUN__CONCURRENCY",
        "run.max_turns": "command line",
    }


@pytest.mark.parametrize(
    ("overrides", "complaint"),
    [
        ({"run.group_sise": 2}, "unknown configuration key 'run.group_sise'; did you mean 'group_size'?"),
        ({"runs.group_size": 2}, "unknown configuration key 'runs'; did you mean 'run'?"),
        ({"run.group_size": "many"}, "run.group_size: Input should be a valid integer"),
        ({"run.group_size": 0}, "run.group_size: Input should be greater than or equal to 1"),
        ({"run.feedback": "all"}, "run.feedback"),
        (
            {"plugin.sandboxes.process.x": 1},
            "unknown configuration section 'plugin.sandboxes'; did you mean 'sandbox'?",
        ),
        ({"plugin.sandbox.proces.x": 1}, "no sandbox named 'proces'; did you mean 'process'?"),
        ({"run": 3}, "run"),
    ],
)
def test_a_wrong_key_or_value_is_named_with_its_origin(registry, overrides, complaint):
    with pytest.raises(ConfigError) as caught:
        resolve(registry, environment={}, overrides=overrides)
    assert complaint in str(caught.value)


def test_the_error_says_which_layer_was_wrong(registry):
    with pytest.raises(ConfigError, match="from environment SANDMLE_RUN__GROUP_SIZE"):
        resolve(registry, environment={"SANDMLE_RUN__GROUP_SIZE": "x"})


def test_a_file_that_is_no_toml_or_not_there_is_said(registry, tmp_path: Path):
    with pytest.raises(ConfigError, match="cannot read configuration file"):
        resolve(registry, file=tmp_path / "none.toml", environment={})
    bad = tmp_path / "bad.toml"
    bad.write_text("[run\n")
    with pytest.raises(ConfigError, match="is not TOML"):
        resolve(registry, file=bad, environment={})


def test_a_configured_preset_adds_to_the_built_in_ones(registry):
    found = resolve(registry, environment={}, overrides={"reward.presets.mine": {"gold": 1.0}})
    presets = found.settings.reward.presets
    assert presets["mine"] == {"gold": 1.0}
    assert presets["sparse"] == {"format": 0.1, "gold": 0.9}


def test_assignments_read_values_as_toml_and_else_as_text():
    assert parse_assignments(["a.b=3", "c=true", "d=offline/agent", 'e=["x"]', "f=a=b"]) == {
        "a.b": 3,
        "c": True,
        "d": "offline/agent",
        "e": ["x"],
        "f": "a=b",
    }
    with pytest.raises(ConfigError, match=r"section\.key=value"):
        parse_assignments(["oops"])
    for mangled in ("run.trackers=[csv]", "plugin.x={a=b}"):
        with pytest.raises(ConfigError, match="a shell takes quotes away"):
            parse_assignments([mangled])
    assert parse_assignments(['a="[csv]"']) == {"a": "[csv]"}


def test_an_option_that_was_not_given_does_not_undo_an_assignment():
    toolkit = open_toolkit().override({"run.group_size": 3, "run.max_turns": 2}, {"run.group_size": None})
    assert (toolkit.settings.run.group_size, toolkit.settings.run.max_turns) == (3, 2)
    assert toolkit.override({"run.group_size": 5}).settings.run.group_size == 5


def test_a_name_with_dots_is_one_part_of_a_key_in_a_file_and_in_quotes(tmp_path):
    registry = load_plugins(builtins=("sandmle.plugins.llms.plugin",)).registry
    file = tmp_path / "c.toml"
    file.write_text('[plugin.llm.litellm.models."openai/gpt-4.1"]\ntemperature = 0.5\nmax_tokens = 7\n')
    given = parse_assignments(['plugin.llm.litellm.models."openai/gpt-4.1".temperature=0.25'])
    resolved = resolve(registry, file=file, environment={}, overrides=given)
    models = resolved.settings.plugin["llm"]["litellm"]["models"]
    assert models == {"openai/gpt-4.1": {"temperature": 0.25, "max_tokens": 7}}
    assert resolved.origin["plugin.llm.litellm.models.openai/gpt-4.1.temperature"] == "command line"
