"""A tiny policy with a LoRA adapter that has learned something, and engines that hold copies of its weights.

Without the training extra there is nothing to test here.
"""

import asyncio
import importlib.util
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest

from sandmle.core.contracts.policy import AdapterShape, PolicyShape

collect_ignore_glob = [] if find_spec("torch") and find_spec("peft") else ["test_*.py"]

SHAPE = PolicyShape(
    layers=2, hidden=32, heads=4, key_value_heads=4, feed_forward=64, context_tokens=256, vocabulary=420
)


@pytest.fixture(scope="session")
def provider():
    from sandmle.plugins.llms.local.config import LocalConfig
    from sandmle.plugins.llms.local.model import LocalProvider

    return LocalProvider(LocalConfig())


@pytest.fixture(scope="session")
def base(provider, tmp_path_factory) -> Path:
    """Weights without an adapter."""
    path = tmp_path_factory.mktemp("canaries") / "base"
    provider.create_policy(["What is this? Count to ten. Name a colour.\n"] * 4, SHAPE, 3, path)
    return path


@pytest.fixture(scope="session")
def taught(provider, base, tmp_path_factory) -> Path:
    """The same with an adapter whose product is not zero."""
    path = tmp_path_factory.mktemp("canaries") / "taught"
    policy = provider.open_model(f"local/{base}")
    policy.add_adapter(AdapterShape(rank=4, alpha=12.0), 1)
    move(policy, 0.05)
    policy.save(path)
    return path


def move(policy, size: float, seed: int = 0) -> None:
    """Change what is trained, as an update does."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in policy.module.parameters():
            if parameter.requires_grad:
                parameter.add_(size * torch.randn(parameter.shape, generator=generator))


@pytest.fixture
def policy(provider, taught):
    return provider.open_model(f"local/{taught}")


@pytest.fixture(scope="session")
def policy_codec(provider, taught):
    return provider.open_codec(f"local/{taught}")


@pytest.fixture(scope="session")
def played(toy, taught, tmp_path_factory) -> Path:
    """A run directory with episodes of two turns, played by the policy in the toy world of the trainer's tests."""
    from sandmle.core.engine.crews import open_crew
    from sandmle.plugins.trainers.local.playing import open_stage, read_tasks

    folder = tmp_path_factory.mktemp("canaries")
    for letter in toy.LETTERS:
        toy.write_toy_task(folder / "tasks", letter)

    async def play() -> None:
        toolkit = toy.toy_toolkit()
        model = toolkit.open_model(f"local/{taught}")
        async with open_crew(toolkit, model) as crew:
            with open_stage(toolkit, folder / "run", 4, asyncio.Event()) as stage:
                await stage.play(crew, read_tasks(folder / "tasks"), 4)
        await model.close()

    asyncio.run(play())
    return folder / "run"


@pytest.fixture(scope="session")
def toy() -> ModuleType:
    """The toy world of the trainer's tests."""
    path = Path(__file__).parents[1] / "local" / "toy_world.py"
    spec = importlib.util.spec_from_file_location("toy_world_of_canaries", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def moved():
    return move


@pytest.fixture
def merged(provider, base, taught, tmp_path):
    """An engine that holds base weights plus what `change` makes of the adapter, opened from its own files."""

    def make(change, dtype=None):
        from peft import PeftModel
        from transformers import AutoModelForCausalLM

        module = AutoModelForCausalLM.from_pretrained(base)
        module.lm_head.weight = type(module.lm_head.weight)(module.lm_head.weight.detach().clone())
        module.config.tie_word_embeddings = False
        module = PeftModel.from_pretrained(module, taught / "adapter")
        change(module)
        path = tmp_path / f"engine{len(list(tmp_path.iterdir()))}"
        whole = module.merge_and_unload()
        (whole.to(dtype) if dtype else whole).save_pretrained(path)
        for name in ("tokenizer.json", "tokenizer_config.json", "chat_format.json"):
            if (taught / name).is_file():
                shutil.copy(taught / name, path / name)
        return provider.open_model(f"local/{path}")

    return make
