"""Finds the models that can be trained among those that the plugins offer."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from sandmle.core.contracts.policy import PolicyProvider, TrainablePolicy
from sandmle.core.engine.crews import open_chat_model
from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.errors import ConfigError, PluginError
from sandmle.core.hooks.registry import Kind

PROVIDER = "local"


def open_policy(toolkit: Toolkit, name: str) -> AbstractAsyncContextManager[TrainablePolicy]:
    """A policy by its model string, closed in the end.

    Raises:
        ConfigError: there is no usable checkpoint.
        PluginError: what opens is not trainable.
    """

    @asynccontextmanager
    async def opened() -> AsyncIterator[TrainablePolicy]:
        async with open_chat_model(toolkit, name) as model:
            if not isinstance(model, TrainablePolicy):
                raise PluginError(f"model {name!r} cannot be trained: it is no TrainablePolicy")
            yield model

    return opened()


def policy_provider(toolkit: Toolkit) -> PolicyProvider:
    """Whoever makes policies from scratch.

    Raises:
        PluginError: it needs a package that is not installed, or makes none.
    """
    provider = toolkit.make(Kind.LLM, PROVIDER)
    if not isinstance(provider, PolicyProvider):
        raise PluginError(f"llm provider {PROVIDER!r} makes no policies: it is no PolicyProvider")
    return provider


def weights_digest(path: Path) -> str:
    """SHA-256 of all weights of a checkpoint, or of the one that a training run's directory offers.

    Raises:
        ConfigError: there are none.
    """
    folders = [path, path / "best", path / "last"]
    folder = next((one for one in folders if (one / "config.json").is_file()), None)
    files = sorted(folder.rglob("*.safetensors")) if folder else []
    if not files:
        raise ConfigError(f"{path} holds no policy (config.json and *.safetensors); make one with `sandmle train sft`")
    digest = hashlib.sha256()
    for one in files:
        digest.update(one.read_bytes())
    return digest.hexdigest()
