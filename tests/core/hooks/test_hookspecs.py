"""Each hook is called where the docs say, with a plugin that implements it through the public door."""

import logging

import pytest
import typer
from typer.testing import CliRunner

from sandmle import Kind, NoConfig, Spec, TaskProblem, hookimpl
from sandmle.core.errors import PluginError
from sandmle.core.hooks import manager as manager_module
from sandmle.core.hooks.events import RunFinished
from sandmle.core.hooks.manager import load_plugins


def registering(hook: str, name: str) -> object:
    """A plugin object whose one hook returns one spec that builds the string `built`."""

    def function():
        return [
            Spec(name=name, summary="a test", make=lambda config: f"built {type(config).__name__}", config=NoConfig)
        ]

    function.__name__ = hook
    return type("Plugin", (), {hook: staticmethod(hookimpl(function))})()


def registered(hook: str) -> str:
    plugins = load_plugins(builtins=())
    entries: dict = {}
    manager_module._add(plugins.manager, entries, "test", registering(hook, "mine"), "test-package")
    (entry,) = entries.values()
    assert entry.source == "test-package"
    from sandmle.core.hooks.registry import Registry

    return Registry(entries).make(entry.kind, "mine"), entry.kind


def test_hook_register_seed_sources():
    assert registered("sandmle_register_seed_sources") == ("built NoConfig", Kind.SEEDS)


def test_hook_register_synth_roles():
    assert registered("sandmle_register_synth_roles") == ("built NoConfig", Kind.ROLE)


def test_hook_register_rule_families():
    assert registered("sandmle_register_rule_families") == ("built NoConfig", Kind.RULE)


def test_hook_register_llm_providers():
    assert registered("sandmle_register_llm_providers") == ("built NoConfig", Kind.LLM)


def test_hook_register_sandboxes():
    assert registered("sandmle_register_sandboxes") == ("built NoConfig", Kind.SANDBOX)


def test_hook_register_scaffolds():
    assert registered("sandmle_register_scaffolds") == ("built NoConfig", Kind.SCAFFOLD)


def test_hook_register_benchmarks():
    assert registered("sandmle_register_benchmarks") == ("built NoConfig", Kind.BENCHMARK)


def test_hook_register_milestones():
    assert registered("sandmle_register_milestones") == ("built NoConfig", Kind.MILESTONE)


def test_hook_register_trainers():
    assert registered("sandmle_register_trainers") == ("built NoConfig", Kind.TRAINER)


def test_hook_register_trackers():
    assert registered("sandmle_register_trackers") == ("built NoConfig", Kind.TRACKER)


def test_hook_check_task_collects_the_problems_of_every_plugin():
    plugins = load_plugins(builtins=())

    def complaining(word: str) -> object:
        class Plugin:
            @hookimpl
            def sandmle_check_task(self, task, evidence):
                return [TaskProblem(check=word, message=f"{task} {evidence}")]

        return Plugin()

    for word in ("one", "two"):
        plugins.manager.register(complaining(word), name=word)
    found = plugins.manager.hook.sandmle_check_task(task="draft", evidence="facts")
    assert sorted(problem.check for problems in found for problem in problems) == ["one", "two"]


def test_hook_event_hears_what_happened():
    heard = []

    class Plugin:
        @hookimpl
        def sandmle_event(self, event):
            heard.append(event)

    plugins = load_plugins(builtins=())
    plugins.manager.register(Plugin(), name="hearing")
    plugins.emit(RunFinished(run_id="r", episodes=1, infrastructure=0))
    assert heard == [RunFinished(run_id="r", episodes=1, infrastructure=0)]


def test_hook_register_commands_adds_to_the_program():
    class Plugin:
        @hookimpl
        def sandmle_register_commands(self, app):
            @app.command("hello")
            def hello() -> None:
                typer.echo("hello from a plugin")

    plugins = load_plugins(builtins=())
    plugins.manager.register(Plugin(), name="hello")
    app = typer.Typer()
    app.command("other")(lambda: None)
    assert plugins.add_commands(app, typer.main.get_command) == ()
    assert "hello from a plugin" in CliRunner().invoke(app, ["hello"]).output


def test_a_stranger_whose_commands_fail_is_reported_and_a_built_in_raises(caplog):
    class Plugin:
        @hookimpl
        def sandmle_register_commands(self, app):
            raise RuntimeError("no words")

    caplog.set_level(logging.ERROR)
    plugins = load_plugins(builtins=())
    plugins.manager.register(Plugin(), name="stranger")
    assert "no words" in plugins.add_commands(typer.Typer(), typer.main.get_command)[0].problem
    plugins = load_plugins(builtins=())
    plugins.manager.register(Plugin(), name=manager_module.DEFAULT_PLUGINS[0])
    with pytest.raises(RuntimeError, match="no words"):
        plugins.add_commands(typer.Typer(), typer.main.get_command)


def takes_a_taken_word(app):
    app.command("run")(lambda: None)


def takes_a_groups_word(app):
    app.add_typer(typer.Typer(), name="tasks")


def has_no_readable_signature(app):
    @app.command("weird")
    def weird(x: "NoSuchType") -> None:  # noqa: F821 - the point of the test
        pass


def adds_one_and_raises(app):
    app.command("half")(lambda: None)
    raise SystemExit(3)


@pytest.mark.parametrize(
    "add", [takes_a_taken_word, takes_a_groups_word, has_no_readable_signature, adds_one_and_raises]
)
def test_commands_that_cannot_be_used_are_taken_back_and_reported(add):
    class Plugin:
        @hookimpl
        def sandmle_register_commands(self, app):
            add(app)

    app = typer.Typer()
    app.command("run")(lambda: typer.echo("ours"))
    app.command("other")(lambda: None)
    app.add_typer(typer.Typer(), name="tasks")
    plugins = load_plugins(builtins=())
    plugins.manager.register(Plugin(), name="stranger")
    broken = plugins.add_commands(app, typer.main.get_command)
    assert [one.name for one in broken] == ["stranger"]
    assert CliRunner().invoke(app, ["run"]).output == "ours\n"
    assert [one.name for one in app.registered_commands] == ["run", "other"]
    with pytest.raises(PluginError, match="'stranger' cannot add its commands"):
        plugins.add_commands(app, typer.main.get_command, strict=True)
