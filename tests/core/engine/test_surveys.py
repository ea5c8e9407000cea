"""`sandmle doctor --sandbox`: what each sandbox gives here, and what remains open."""

from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from sandmle import Kind, SandboxError, Spec
from sandmle.core.engine.settings import Settings
from sandmle.core.engine.surveys import UNPROBED, survey_sandboxes
from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.hooks.manager import load_plugins
from sandmle.core.hooks.registry import Registered, Registry
from sandmle.core.types.sandbox import IsolationLevel


@dataclass
class Verdict:
    name: str
    held: bool
    detail: str


class Silent:
    """A sandbox that has no attacks of its own."""

    level = IsolationLevel.L2

    def __init__(self, config):
        self.closed = False

    async def start(self):
        pass

    @asynccontextmanager
    async def session(self, *, public_dir, limits):
        yield self

    async def close(self):
        self.closed = True


class Talkative(Silent):
    walls = "paper"

    async def survey(self, session):
        return [Verdict("read", True, "no such file"), Verdict("names", False, "whether a file outside exists")]


def breaks(config):
    raise SandboxError("no isolation holds here")


def toolkit(**makers) -> Toolkit:
    specs = [Spec(name=name, summary="", make=make) for name, make in makers.items()]
    entries = {(Kind.SANDBOX, one.name): Registered(kind=Kind.SANDBOX, spec=one, source="x") for one in specs}
    return Toolkit(plugins=replace(load_plugins(builtins=()), registry=Registry(entries)), settings=Settings())


async def test_what_was_found_open_is_said_in_words_before_what_cannot_be_probed():
    (found,) = await survey_sandboxes(toolkit(talkative=Talkative))
    assert found.open == ("names: whether a file outside exists", *UNPROBED)
    assert (found.verdict, found.level, found.walls) == ("ok", "L2", "paper")
    assert "1 of 2 attacks were held" in found.as_text()
    assert found.as_json()["probes"][0] == {"name": "read", "held": True, "detail": "no such file"}


async def test_a_sandbox_without_attacks_says_so_and_a_broken_one_does_not_stop_the_others():
    broken, silent = await survey_sandboxes(toolkit(broken=breaks, silent=Silent))
    assert (broken.verdict, broken.detail) == ("failed", "no isolation holds here")
    assert (silent.probes, silent.verdict) == ((), "ok")
    assert "no attacks of its own" in silent.as_text()
