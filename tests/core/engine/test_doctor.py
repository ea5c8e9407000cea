from contextlib import asynccontextmanager
from dataclasses import replace

from sandmle import CellResult, CellStatus, IsolationLevel, Kind, SandboxError, Spec
from sandmle.core.engine.doctor import examine
from sandmle.core.engine.settings import Settings
from sandmle.core.engine.toolkit import Toolkit
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
    spec = Spec(name="talkative", summary="", make=lambda config: Talkative())
    entries = {(Kind.SANDBOX, "talkative"): Registered(kind=Kind.SANDBOX, spec=spec, source="x")}
    plugins = replace(load_plugins(builtins=()), registry=Registry(entries))
    found = {one.name: one for one in await examine(Toolkit(plugins=plugins, settings=Settings()))}
    assert found["sandbox talkative"].detail == "isolation L2, a cell ran; limits by a watchdog"
