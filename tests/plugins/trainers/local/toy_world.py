"""A world without sandboxes: say the letter that the task names, in the first of two turns.

Also a program, so that a test can have it killed: `python toy_world.py POLICY TASKS OUT`.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pluggy

from sandmle.core.conformance.copying import copying_draft
from sandmle.core.engine.settings import Settings
from sandmle.core.engine.tasks import write_task
from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.errors import SandboxError
from sandmle.core.hooks import hookspecs
from sandmle.core.hooks.manager import Plugins
from sandmle.core.hooks.registry import Kind, Registered, Registry, Spec
from sandmle.core.types.episode import Episode
from sandmle.core.types.message import Message, ModelReply, ReplyOptions
from sandmle.core.types.sandbox import CellResult, CellStatus, FetchRefusal, IsolationLevel
from sandmle.core.types.trajectory import Action, ActionKind
from sandmle.plugins.llms.plugin import sandmle_register_llm_providers
from sandmle.plugins.trackers.plugin import sandmle_register_trackers
from sandmle.plugins.trainers.local.config import LocalTrainerConfig
from sandmle.plugins.trainers.plugin import sandmle_register_trainers

LETTERS = "abcd"
KILL_AFTER = "TOY_KILL_AFTER"
"""Environment variable: cells after which the process ends itself, as hard as it can."""


def write_toy_task(folder: Path, letter: str, number: int = 0) -> None:
    description = f"{number}, the letter is: {letter}"
    write_task(folder, copying_draft(f"say-{number}-{letter}", test_rows=2, train_rows=1, description=description))


class ToySession:
    def __init__(self, world: "ToySandbox", number: int) -> None:
        self._world = world
        self._number = number

    async def run(self, code: str, timeout_s: float) -> CellResult:
        self._world.cells += 1
        if self._world.cells == int(os.environ.get(KILL_AFTER, "0")):
            os.kill(os.getpid(), signal.SIGKILL)
        if self._world.broken(self._number):
            raise SandboxError("the toy is broken")
        return CellResult(status=CellStatus.OK, stdout=f"you said {len(code)} letters", stderr="", wall_s=0.0)

    async def fetch(self, path: str, max_bytes: int) -> FetchRefusal:
        return FetchRefusal(path=path, reason="does not exist")

    async def fetch_tree(self, path: str, max_bytes: int, max_files: int) -> FetchRefusal:
        return FetchRefusal(path=path, reason="does not exist")

    async def end(self) -> None:
        pass


class ToySandbox:
    name = "toy"
    level = IsolationLevel.L2

    def __init__(self, broken=lambda number: False) -> None:
        self.cells = 0
        self.opened = 0
        self.broken = broken

    async def start(self) -> None:
        pass

    @asynccontextmanager
    async def session(self, **how) -> AsyncIterator[ToySession]:
        self.opened += 1
        yield ToySession(self, self.opened)

    async def check_health(self) -> None:
        pass

    async def close(self) -> None:
        pass


class ToyScaffold:
    name = "toy"

    async def run(self, episode) -> None:
        said = [Message(role="system", content="Say it."), Message(role="user", content=episode.task.description)]
        for _ in range(2):
            reply = await episode.ask(said)
            seen = await episode.act(Action(kind=ActionKind.RUN_CODE, code=reply.text))
            said += [Message(role="assistant", content=reply.text), Message(role="user", content=seen.text)]
        await episode.act(Action(kind=ActionKind.FINISH))

    def mermaid(self) -> str:
        return ""


class SaidIt:
    """1 when the first reply begins with the task's letter, half for any other of the letters."""

    name = "said-it"

    def value(self, episode: Episode) -> float:
        first = episode.trajectory.replies()[0].text[:1]
        return 1.0 if first == episode.task_id[-1] else 0.5 * (first != "" and first in LETTERS)


@dataclass
class Chatterbox:
    """A demonstrator that says the right letter half of the time, else any, and then `ok`."""

    name: str = "toy/chatterbox"

    async def reply(self, messages: Sequence[Message], options: ReplyOptions) -> ModelReply:
        second = any(message.role == "assistant" for message in messages)
        luck = options.sample_index
        letter = messages[1].content[-1] if luck % 2 else LETTERS[luck // 2 % len(LETTERS)]
        return ModelReply(text="ok" if second else letter)

    async def close(self) -> None:
        pass


def toy_toolkit(
    trainer: dict | None = None, sandbox: ToySandbox | None = None, tracker: dict | None = None, **run
) -> Toolkit:
    """Toy scaffold, sandbox and reward with the real local policies and trainer."""
    toy = {
        Kind.SCAFFOLD: [Spec(name="toy", summary="", make=lambda config: ToyScaffold())],
        Kind.SANDBOX: [Spec(name="toy", summary="", make=lambda config: sandbox or ToySandbox())],
        Kind.MILESTONE: [Spec(name="said-it", summary="", make=lambda config: SaidIt())],
        Kind.LLM: [one for one in sandmle_register_llm_providers() if one.name == "local"],
        Kind.TRAINER: sandmle_register_trainers(),
        Kind.TRACKER: sandmle_register_trackers(),
    }
    entries = {
        (kind, spec.name): Registered(kind=kind, spec=spec, source="tests")
        for kind, specs in toy.items()
        for spec in specs
    }
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    settings = Settings.model_validate(
        {
            "run": {
                "scaffold": "toy",
                "sandbox": "toy",
                "reward": "toy",
                "max_tokens": 4,
                "concurrency": 16,
                "rng_seed": 5,
                "trackers": [],
                **run,
            },
            "reward": {"presets": {"toy": {"said-it": 1.0}}},
            "plugin": {"trainer": {"local": trainer or {}}, "tracker": tracker or {}},
        }
    )
    return Toolkit(plugins=Plugins(manager=manager, registry=Registry(entries)), settings=settings)


SHAPE = {
    "layers": 2,
    "hidden": 32,
    "heads": 2,
    "key_value_heads": 2,
    "feed_forward": 64,
    "context_tokens": 128,
    "vocabulary": 300,
}


def grpo_config(policy: Path, validation: Path | None = None, **grpo) -> LocalTrainerConfig:
    defaults = {
        "steps": 3,
        "tasks_per_step": 2,
        "group_size": 4,
        "rank": 4,
        "alpha": 8,
        "warmup_steps": 1,
        "learning_rate": 5e-3,
        "evaluate_every": 2,
        "reward_canary": False,
    }
    return LocalTrainerConfig.model_validate(
        {"policy": policy, "validation": validation, "shape": SHAPE, "grpo": {**defaults, **grpo}}
    )


async def train(policy: Path, tasks: Path, out: Path) -> None:
    from sandmle.plugins.trainers.local.loop import run_grpo

    summary = await run_grpo(
        toy_toolkit(), grpo_config(policy), tasks=tasks, out=out, drain=asyncio.Event(), tell=lambda line: None
    )
    print(json.dumps(summary.metrics))


if __name__ == "__main__":
    asyncio.run(train(*map(Path, sys.argv[1:])))
