"""How the checks of several plugins are asked."""

import pytest

from sandmle.core.errors import PluginError
from sandmle.core.hooks.hookspecs import hookimpl
from sandmle.core.hooks.manager import load_plugins
from sandmle.core.types.synthesis import TaskProblem


class Strict:
    @hookimpl
    def sandmle_check_task(self, task):
        return [TaskProblem(check="strict", message=f"{task} is not good enough")]


class Broken:
    @hookimpl
    def sandmle_check_task(self, task, evidence):
        return evidence["no such key"]


class Vague:
    @hookimpl
    def sandmle_check_task(self):
        return ["bad"]


def judge(*plugins):
    loaded = load_plugins(builtins=[])
    for number, plugin in enumerate(plugins):
        loaded.manager.register(plugin, name=f"plugin-{number}")
    return loaded.check_task("the draft", {})  # type: ignore[arg-type]


def test_problems_of_every_plugin_are_collected_whatever_arguments_they_take() -> None:
    assert [problem.check for problem in judge(Strict(), Strict())] == ["strict", "strict"]
    assert judge() == []


@pytest.mark.parametrize(
    ("plugin", "complaint"),
    [(Broken(), "plugin 'plugin-0', hook 'sandmle_check_task' failed: KeyError"), (Vague(), "must return a list")],
)
def test_a_check_that_fails_to_judge_is_that_plugins_error(plugin: object, complaint: str) -> None:
    with pytest.raises(PluginError, match=complaint):
        judge(plugin)
