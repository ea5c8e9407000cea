"""Where a policy computes, and in which numbers.

Whatever is trained is float32: in bfloat16, whose numbers lie 0.4 % apart, most updates would round to nothing. Frozen
weights are held in the configured type. With `bfloat16` the module's own forward passes run under autocast, so that
whoever calls them, trainer or canary, gets the numbers that the decoder gets.
"""

import functools
from typing import Any, Final

import torch

from sandmle.core.errors import ConfigError
from sandmle.plugins.llms.local.config import Dtype

DTYPES: Final = {"float32": torch.float32, "bfloat16": torch.bfloat16}
ADAPTER_MARK: Final = ".lora_"


def choose_device(name: str) -> torch.device:
    """The device that a configured name means.

    Raises:
        ConfigError: it is not there.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= (count := torch.cuda.device_count()):
        raise ConfigError(
            f"plugin.llm.local.device is {name!r}, but torch {torch.__version__} sees {count} GPUs; set it to "
            '"auto" or "cpu", or install a torch with CUDA for the driver that is there'
        )
    return device


def settle(module: Any, dtype: Dtype) -> None:
    """Bring weights and forward passes to the configured type; to be called whenever the module has changed.

    Without an adapter it is not known yet whether the weights will be trained, so that they stay as they were stored.
    """
    adapted = hasattr(module, "peft_config")
    for name, parameter in module.named_parameters():
        frozen = adapted and ADAPTER_MARK not in name
        if dtype == "float32" or (adapted and not frozen):
            parameter.data = parameter.data.float()
        elif frozen:
            parameter.data = parameter.data.to(DTYPES[dtype])
    if dtype == "bfloat16":
        base = module.get_base_model() if adapted else module
        for part in (base, base.base_model, base.get_output_embeddings()):
            _compute_in_bfloat16(part)


def train_all(module: Any) -> None:
    """Make every weight trainable, and float32 for it."""
    for parameter in module.parameters():
        parameter.data = parameter.data.float()
        parameter.requires_grad_(True)


def _compute_in_bfloat16(part: Any) -> None:
    plain = type(part).forward.__get__(part)
    device = next(part.parameters()).device.type

    @functools.wraps(plain)
    def forward(*args: Any, **kwargs: Any) -> Any:
        with torch.autocast(device, dtype=torch.bfloat16):
            return plain(*args, **kwargs)

    part.forward = forward
