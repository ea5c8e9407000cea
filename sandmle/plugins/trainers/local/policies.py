"""Finds the models that can be trained among those that the plugins offer."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from sandmle.core.contracts.policy import PolicyProvider, TrainablePolicy
from sandmle.core.engine.crews import open_chat_model
from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.errors import ConfigError, PluginError, RunError
from sandmle.core.hooks.registry import Kind
from sandmle.plugins.trainers.local.output import Output

PROVIDER = "local"
_PART_BYTES: Final = 2**24
"""Read at a time of weights, which may be larger than memory."""


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


@asynccontextmanager
async def open_newest(toolkit: Toolkit, output: Output, newest: int) -> AsyncIterator[TrainablePolicy]:
    """The newest checkpoint of an output directory.

    Raises:
        RunError: it cannot be read.
        PluginError: what opens is not trainable.
    """
    async with AsyncExitStack() as stack:
        try:
            policy = await stack.enter_async_context(open_policy(toolkit, output.policy_name))
        except ConfigError as problem:
            path = output.checkpoint(newest)
            raise RunError(
                f"{problem}; remove {path} to go on from the checkpoint before it. Where that one is refused, too, the "
                "weights below the adapter, one file for all checkpoints, are damaged: put back its model.safetensors"
            ) from problem
        yield policy


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
        # Weights of billions of parameters are not to be held in memory twice.
        with one.open("rb") as file:
            while part := file.read(_PART_BYTES):
                digest.update(part)
    return digest.hexdigest()
