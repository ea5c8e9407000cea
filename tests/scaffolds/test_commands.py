"""`sandmle scaffolds`."""

import json

import pytest
import typer
from typer.testing import CliRunner

from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.errors import ConfigError
from sandmle.core.hooks.manager import load_plugins
from sandmle.scaffolds.commands import scaffolds_app


@pytest.fixture(scope="module")
def invoke():
    app = typer.Typer()
    app.add_typer(scaffolds_app, name="scaffolds")
    toolkit = Toolkit(plugins=load_plugins(builtins=("sandmle.scaffolds.plugin",)))
    return lambda *words: CliRunner().invoke(app, ["scaffolds", *words], obj=toolkit)


def test_list_names_react_and_who_registered_it(invoke):
    found = json.loads(invoke("list", "--json").stdout)["scaffolds"]
    assert {"react", "single_turn", "codeact", "openai_tools", "mle_agent"} <= {row["name"] for row in found}
    assert all(row["source"] == "sandmle" for row in found if row["name"] == "react")
    assert "react" in invoke("list").stdout


def test_show_draws_the_graph_and_lists_the_options(invoke):
    shown = json.loads(invoke("show", "react", "--json").stdout)
    assert shown["options"] == {"prompt": "full", "observation_chars": 8000, "max_misread": 3}
    assert "agent" in shown["mermaid"]
    assert invoke("show", "react", "--mermaid").stdout.strip() == shown["mermaid"].strip()
    assert "plugin.scaffold.react.max_misread = 3" in invoke("show", "react").stdout


@pytest.mark.parametrize("name", ["react", "single_turn", "codeact", "openai_tools", "mle_agent"])
def test_show_says_what_it_does_what_it_needs_and_what_each_option_means(invoke, name):
    shown = json.loads(invoke("show", name, "--json").stdout)
    assert shown["needs"] == ["run_code", "submit"]
    assert len(shown["about"]) > 40
    assert set(shown["meanings"]) == set(shown["options"])
    printed = invoke("show", name).stdout
    assert "Needs the actions: run_code, submit" in printed
    assert all(f"plugin.scaffold.{name}.{key} = " in printed for key in shown["options"])
    assert shown["mermaid"].strip() in printed


def test_an_unknown_scaffold_is_answered_with_the_nearest(invoke):
    problem = invoke("show", "reakt").exception
    assert isinstance(problem, ConfigError)
    assert "did you mean 'react'?" in str(problem)
