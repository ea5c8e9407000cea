"""What a worker of Ray is told by its environment, and how the checkpoint that it works on writes conversations."""

import os
import tempfile
from pathlib import Path
from typing import Any, Final

from sandmle.core.contracts.policy import ChatCodec, CodecProvider
from sandmle.core.engine.toolkit import Toolkit
from sandmle.core.errors import ConfigError, PluginError, ProviderError, boundary
from sandmle.core.hooks.registry import Kind
from sandmle.plugins.trainers.openrlhf.files import VARIABLE

PROVIDER: Final = "local"
"""The llm provider that reads tokenizers and chat formats."""


def configuration_file() -> Path:
    """The resolved configuration of this training.

    Raises:
        ConfigError: the environment names none.
    """
    named = os.environ.get(VARIABLE)
    if not named:
        raise ConfigError(
            f"the environment variable {VARIABLE} is not set: it names the resolved configuration, and the runtime "
            "environment of Ray must hand it to every worker (`sandmle train grpo --trainer openrlhf` sees to it)"
        )
    return Path(named)


def open_codec(toolkit: Toolkit, tokenizer: Any) -> ChatCodec:
    """Read the chat format of the checkpoint that a tokenizer was opened from.

    Raises:
        UsageError: it has none that is exact.
        ProviderError: the tokenizer cannot be written, to be read by others.
    """
    provider = toolkit.make(Kind.LLM, PROVIDER)
    if not isinstance(provider, CodecProvider):
        raise PluginError(f"llm provider {PROVIDER!r} reads no chat formats: it is no CodecProvider")
    name = str(tokenizer.name_or_path)
    if name and Path(name).is_dir():
        return provider.open_codec(f"{PROVIDER}/{Path(name).absolute()}")
    # A name of the hub, or none: the tokenizer is in memory, its files lie somewhere in a cache.
    with tempfile.TemporaryDirectory() as folder:
        with boundary(ProviderError, f"writing the tokenizer of {name}"):
            tokenizer.save_pretrained(folder)
        return provider.open_codec(f"{PROVIDER}/{folder}")
