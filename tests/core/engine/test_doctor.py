import tomllib
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from sandmle import CellResult, CellStatus, IsolationLevel, Kind, SandboxError, Spec
from sandmle.core.engine.doctor import EXTRAS, examine, examine_benchmark, examine_training
from sandmle.core.engine.settings import Settings
from sandmle.core.engine.surveys import survey_sandboxes
from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.errors import PluginError
from sandmle.core.hooks.manager import load_plugins
from sandmle.core.hooks.registry import Registered, Registry


def needs_a_package(config):
    import a_package_nobody_has  # noqa: F401


def breaks(config):
    raise SandboxError("no isolation holds here")


async def test_an_extra_that_is_not_installed_is_absent_and_a_broken_backend_failed():
    specs = [
        Spec(name="optional", summary="", make=needs_a_package, extra="jupyter"),
        Spec(name="broken", summary="", make=breaks),
    ]
    entries = {(Kind.SANDBOX, one.name): Registered(kind=Kind.SANDBOX, spec=one, source="x") for one in specs}
    plugins = replace(load_plugins(builtins=()), registry=Registry(entries))
    found = {one.name: one for one in await examine(Toolkit(plugins=plugins, settings=Settings()))}
    assert found["sandbox optional"].verdict == "absent"
    assert "sandmle[jupyter]" in found["sandbox optional"].detail
    assert found["sandbox broken"].verdict == "failed"


class Talkative:
    """A sandbox that works, and has more to say of how."""

    name, level, detail = "talkative", IsolationLevel.L2, "limits by a watchdog"

    def __init__(self, config):
        """There is nothing to set."""

    async def start(self):
        """There is nothing to start."""

    @asynccontextmanager
    async def session(self, *, public_dir, limits):
        yield self

    async def run(self, code, timeout_s):
        return CellResult(status=CellStatus.OK, stdout="42\n", stderr="", wall_s=0.0)

    async def close(self):
        """There is nothing to close."""


async def test_what_a_backend_says_of_itself_is_told():
    spec = Spec(name="talkative", summary="", make=Talkative)
    entries = {(Kind.SANDBOX, "talkative"): Registered(kind=Kind.SANDBOX, spec=spec, source="x")}
    plugins = replace(load_plugins(builtins=()), registry=Registry(entries))
    found = {one.name: one for one in await examine(Toolkit(plugins=plugins, settings=Settings()))}
    assert found["sandbox talkative"].detail == "isolation L2, a cell ran; limits by a watchdog"


class Failing(Talkative):
    """A sandbox whose author forgot that machinery fails by a SandboxError."""

    def __init__(self, config):
        self.closed = False

    async def start(self):
        raise ZeroDivisionError("no machinery")

    async def close(self):
        self.closed = True
        raise KeyError("no end")


async def test_a_sandbox_that_fails_in_its_own_way_is_a_finding_and_the_others_are_still_looked_at():
    specs = [Spec(name="failing", summary="", make=Failing), Spec(name="talkative", summary="", make=Talkative)]
    entries = {(Kind.SANDBOX, one.name): Registered(kind=Kind.SANDBOX, spec=one, source="x") for one in specs}
    plugins = replace(load_plugins(builtins=()), registry=Registry(entries))
    toolkit = Toolkit(plugins=plugins, settings=Settings())
    found = {one.name: one for one in await examine(toolkit)}
    assert found["sandbox failing"].verdict == "failed"
    assert "sandbox 'failing': KeyError: 'no end'" in found["sandbox failing"].detail
    assert found["sandbox talkative"].verdict == "ok"
    surveyed = {one.sandbox: one.verdict for one in await survey_sandboxes(toolkit)}
    assert surveyed == {"failing": "failed", "talkative": "ok"}


class Odd:
    """A trainer and a benchmark whose look at themselves fails."""

    name = "odd"

    async def train(self, toolkit, tasks, out, drain):
        """Trains nobody."""

    def task_dirs(self):
        return []

    async def examine(self, *given):
        raise LookupError("lost")


async def test_a_trainer_and_a_benchmark_that_fail_at_looking_at_themselves_are_named():
    spec = Spec(name="odd", summary="", make=lambda config: Odd())
    kinds = (Kind.TRAINER, Kind.BENCHMARK)
    entries = {(kind, "odd"): Registered(kind=kind, spec=spec, source="x") for kind in kinds}
    plugins = replace(load_plugins(builtins=()), registry=Registry(entries))
    toolkit = Toolkit(plugins=plugins, settings=Settings())
    (found,) = await examine_training(toolkit)
    assert (found.verdict, "trainer 'odd' of plugin 'x' failed" in found.detail) == ("failed", True)
    with pytest.raises(PluginError, match="benchmark 'odd' of plugin 'x' failed in its examine"):
        await examine_benchmark(toolkit, "odd")


def test_every_extra_for_users_is_looked_for():
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text("utf-8"))["project"]
    # What runs tests, ours and those of the peers' graders, is no part of the program.
    assert set(EXTRAS) == set(project["optional-dependencies"]) - {"dev", "peers"}
