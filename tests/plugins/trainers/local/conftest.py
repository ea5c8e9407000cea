"""The toy world, tasks of it, demonstrations in it, and a policy that has imitated them.

Without the training extra there is nothing to test here.
"""

import asyncio
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from sandmle.core.engine.crews import open_crew
from sandmle.plugins.trainers.local.config import LocalTrainerConfig
from sandmle.plugins.trainers.local.playing import open_stage, read_tasks

collect_ignore_glob = [] if importlib.util.find_spec("torch") and importlib.util.find_spec("peft") else ["test_*.py"]


@pytest.fixture(scope="session")
def toy() -> ModuleType:
    path = Path(__file__).with_name("toy_world.py")
    spec = importlib.util.spec_from_file_location("toy_world", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["toy_world"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def tasks(toy, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("toy") / "tasks"
    for letter in toy.LETTERS:
        toy.write_toy_task(folder, letter)
    return folder


@pytest.fixture(scope="session")
def validation(toy, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("toy") / "validation"
    for letter in toy.LETTERS[:2]:
        toy.write_toy_task(folder, letter, 1)
    return folder


@pytest.fixture(scope="session")
def demos(toy, tasks, tmp_path_factory) -> Path:
    """32 demonstrations of each task; a quarter of them says the right letter."""
    folder = tmp_path_factory.mktemp("toy") / "demos"

    async def play() -> None:
        toolkit = toy.toy_toolkit()
        async with open_crew(toolkit, toy.Chatterbox()) as crew:
            with open_stage(toolkit, folder, 32, asyncio.Event()) as stage:
                await stage.play(crew, read_tasks(tasks), 32)

    asyncio.run(play())
    return folder


@pytest.fixture
def sft(toy, tasks, demos):
    """Run SFT with changes to its section."""
    from sandmle.plugins.trainers.local.sft import run_sft

    async def run(out: Path, *, drain: asyncio.Event | None = None, policy: Path | None = None, **changes):
        section = {"epochs": 3, "learning_rate": 1e-2, "warmup_steps": 2, **changes}
        config = LocalTrainerConfig.model_validate({"policy": policy, "shape": toy.SHAPE, "sft": section})
        return await run_sft(
            toy.toy_toolkit(),
            config,
            demos=[demos],
            tasks=tasks,
            out=out,
            drain=drain or asyncio.Event(),
            tell=lambda line: None,
        )

    return run


@pytest.fixture(scope="session")
def imitator(toy, tasks, demos, tmp_path_factory) -> Path:
    """A policy that has imitated the demonstrations."""
    from sandmle.plugins.trainers.local.sft import run_sft

    out = tmp_path_factory.mktemp("toy") / "sft"
    section = {"epochs": 3, "learning_rate": 1e-2, "warmup_steps": 2}
    config = LocalTrainerConfig.model_validate({"shape": toy.SHAPE, "sft": section})
    toolkit = toy.toy_toolkit()
    asyncio.run(
        run_sft(toolkit, config, demos=[demos], tasks=tasks, out=out, drain=asyncio.Event(), tell=lambda line: None)
    )
    return out
