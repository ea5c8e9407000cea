"""LoRA adapters on a policy."""

import warnings
from pathlib import Path
from typing import Any, Final

import torch
from peft import LoraConfig, PeftModel, get_peft_model

from sandmle.core.contracts.policy import AdapterShape

TARGETS: Final = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", "lm_head")
"""The seven projections of a block, and the output head: with a frozen head, sampling hardly sharpens."""


def add_adapter(module: Any, shape: AdapterShape, rng_seed: int) -> Any:
    """The module with a new adapter, all else frozen."""
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=shape.rank,
        lora_alpha=shape.alpha,
        target_modules=list(TARGETS),
    )
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        _expect_tied_head()
        torch.manual_seed(rng_seed)
        return get_peft_model(module, config).eval()


def open_adapter(module: Any, path: Path, device: torch.device) -> Any:
    """The module with the adapter that `path` holds, trainable.

    Raises:
        ValueError: it is no LoRA adapter. Peft raises many other things.
    """
    with warnings.catch_warnings():
        _expect_tied_head()
        # Without a device the library takes a GPU where there is one, wherever the module is.
        opened = PeftModel.from_pretrained(
            module, path, is_trainable=True, local_files_only=True, torch_device=str(device)
        )
    kind = opened.active_peft_config.peft_type
    if kind != "LORA":
        raise ValueError(f"it is of type {kind}, not LORA")
    return opened


def _expect_tied_head() -> None:
    # The head is meant to differ from the embedding it shares its frozen weights with.
    warnings.filterwarnings("ignore", message="Model has `tie_word_embeddings=True`", category=UserWarning)
