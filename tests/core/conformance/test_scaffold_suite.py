"""The suite of scaffolds says in words what is wrong with a broken one."""

import asyncio

import pytest

from sandmle.core.conformance import scaffold as suite
from sandmle.core.conformance.scaffold import check_scaffold
from sandmle.core.contracts.scaffold import EpisodeOver
from sandmle.core.errors import PluginError, SandboxError
from sandmle.core.types.message import Message
from sandmle.core.types.trajectory import Action, ActionKind


class Plain:
    """Runs whatever the policy says."""

    name = "plain"

    async def run(self, episode):
        messages = [Message(role="user", content=episode.task.description)]
        for _ in range(2):
            reply = await episode.ask(messages)
            seen = await episode.act(Action(kind=ActionKind.RUN_CODE, code=reply.text))
            messages = [
                *messages,
                Message(role="assistant", content=reply.text),
                Message(role="user", content=seen.text),
            ]

    def mermaid(self):
        return "graph TD; ask --> act"


async def test_a_sound_scaffold_passes():
    await check_scaffold(Plain(), ["print(1)"])


class Raises(Plain):
    async def run(self, episode):
        raise KeyError("oops")


class Hangs(Plain):
    async def run(self, episode):
        await asyncio.Event().wait()


class Returns(Plain):
    async def run(self, episode):
        await super().run(episode)
        return "done"


class NotAsync(Plain):
    def run(self, episode):
        return 3


class Swallows(Plain):
    async def run(self, episode):
        try:
            await super().run(episode)
        except EpisodeOver:
            return


class SwallowsFailures(Plain):
    async def run(self, episode):
        try:
            await super().run(episode)
        except SandboxError:
            return


class Remembers(Plain):
    def __init__(self):
        self.seen = 0

    async def run(self, episode):
        self.seen += 1
        await episode.act(Action(kind=ActionKind.RUN_CODE, code=str(self.seen)))


class Idle(Plain):
    async def run(self, episode):
        await episode.ask([Message(role="user", content="hello")])


class DrawsNothing(Plain):
    def mermaid(self):
        return None


class CannotDraw(Plain):
    def mermaid(self):
        raise RuntimeError("no pencil")


class NeedsWords(Plain):
    needs = frozenset({"run_code!"})


class Nameless(Plain):
    name = " "


class TakesTwo(Plain):
    async def run(self, episode, model):
        pass


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        (Raises(), "scaffold 'plain' failed in its run(): KeyError: 'oops'"),
        (Hangs(), "scaffold 'plain' did not end within 1 s"),
        (Returns(), "run() returned a str"),
        (NotAsync(), "run() gave a int that cannot be awaited; write `async def run`"),
        (Swallows(), "swallowed EpisodeOver"),
        (SwallowsFailures(), "swallowed a SandboxError"),
        (Remembers(), "keeps state between episodes"),
        (Idle(), "ran no code although the policy asked for it"),
        (DrawsNothing(), "mermaid() does not draw a graph"),
        (CannotDraw(), "failed in its mermaid(): RuntimeError: no pencil"),
        (NeedsWords(), "`needs` holds 'run_code!', which is no ActionKind"),
        (Nameless(), "a scaffold has no name"),
        (TakesTwo(), "`run(episode, model)` cannot be called as `run(episode)`"),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_a_broken_scaffold_is_told_what_is_wrong(broken, complaint, monkeypatch):
    monkeypatch.setattr(suite, "DEADLINE_S", 1.0)
    with pytest.raises(PluginError) as caught:
        await check_scaffold(broken, ["print(1)"])
    assert complaint in str(caught.value)
