"""Checkpoint directories: made from scratch, opened with suspicion, written whole or not at all.

What is written is what transformers and peft write: `config.json`, `model.safetensors`, `tokenizer.json`,
and `adapter/` where there is a LoRA adapter; beside them `chat_format.json`. The weights below an adapter are the same
in all checkpoints of a training: they are written once, and later checkpoints link to the same file. The adapter holds
their fingerprint. What is opened may be of another origin.
"""

import os
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoModelForCausalLM, Qwen3Config, Qwen3ForCausalLM
from transformers.utils import logging as transformers_logging

from sandmle.core.contracts.policy import PolicyShape
from sandmle.core.engine.fingerprints import fingerprint, read_fingerprint, refuse_foreign, write_fingerprint
from sandmle.core.errors import ConfigError, ProviderError, StoreError, boundary
from sandmle.core.types.chat_format import ChatFormat
from sandmle.plugins.llms.local.codec import Codec
from sandmle.plugins.llms.local.codec_files import read_codec, write_codec
from sandmle.plugins.llms.local.config import FormatName
from sandmle.plugins.llms.local.tokenizer import SPECIAL_TOKENS

ADAPTER: Final = "adapter"
CONFIG: Final = "config.json"
WEIGHTS: Final = "model.safetensors"
INIT_GAIN: Final = 0.5
"""Standard deviation of the first weights, times the root of the width. With the library's fixed 0.02, which is meant
for widths of a thousand and more, a policy of width 32 did not learn in 500 steps to copy a letter from its prompt;
with this it did in 50."""
ARCHITECTURES: Final = ("llama", "qwen2", "qwen3")
ROTATIONS: Final = ("default", "linear", "llama3", "yarn")
"""Whose frequencies do not depend on the text."""
POINTERS: Final = ("best", "last")
"""What a trainer's output directory offers, the first that is there."""


def create_module(tokenizer: Tokenizer, shape: PolicyShape, rng_seed: int) -> Any:
    """A Qwen3-style decoder with random weights that depend on `rng_seed` alone."""
    config = Qwen3Config(
        vocab_size=tokenizer.get_vocab_size(with_added_tokens=True),
        hidden_size=shape.hidden,
        intermediate_size=shape.feed_forward,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.key_value_heads,
        head_dim=shape.hidden // shape.heads,
        max_position_embeddings=shape.context_tokens,
        initializer_range=INIT_GAIN / shape.hidden**0.5,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.token_to_id(SPECIAL_TOKENS[0]),
        eos_token_id=tokenizer.token_to_id(ChatFormat().end),
        bos_token_id=None,
        use_cache=True,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(rng_seed)
        return Qwen3ForCausalLM(config).eval()


def resolve(path: Path) -> Path:
    """The checkpoint that `path` means: itself, or the best or last one of a trainer's output directory."""
    if (path / CONFIG).is_file():
        return path
    return next((path / name for name in POINTERS if (path / name / CONFIG).is_file()), path)


def load(path: Path, device: torch.device, chat_format: FormatName | None = None) -> tuple[Any, Codec]:
    """Open a checkpoint directory: the module, in evaluation mode, and its codec.

    The weights have the types they were stored in.

    Raises:
        ConfigError: it is none, is cut off, or its parts do not fit together; the message says which.
    """
    path = resolve(path)
    if not (path / CONFIG).is_file():
        raise ConfigError(f"{path} is no checkpoint: it has no {CONFIG}; make one with `sandmle train sft`")
    codec = read_codec(path, chat_format)
    _refuse_architecture(path)
    adapted = (path / ADAPTER).is_dir()
    if adapted and not any(path.glob("*.safetensors")):
        raise ConfigError(
            f"the checkpoint {path} has an adapter and no weights below it: {WEIGHTS} is gone; put it back, from "
            "another checkpoint of the same training, or take one of those"
        )
    transformers_logging.disable_progress_bar()
    try:
        with boundary(ProviderError, f"the checkpoint {path} cannot be read (cut off, or of another origin)"):
            module, report = AutoModelForCausalLM.from_pretrained(
                path, local_files_only=True, output_loading_info=True, dtype="auto", attn_implementation="sdpa"
            )
            module.to(device)
    except ProviderError as problem:
        raise ConfigError(str(problem)) from problem
    _refuse_gaps(path, report)
    rows = module.get_input_embeddings().weight.shape[0]
    if codec.size > rows:
        raise ConfigError(f"{path}: the tokenizer has {codec.size} tokens, the weights only {rows}; they do not match")
    codec.end_ids |= _ends(module)
    if adapted:
        refuse_foreign(path / ADAPTER, module.state_dict(), str(path))
        module = _with_adapter(module, path / ADAPTER, device)
    return module.eval(), codec


def save(module: Any, codec: Codec, path: Path, below: Path | None = None) -> None:
    """Write the files of a checkpoint into `path`, made if it is not there.

    Args:
        module: with an adapter or without.
        codec: its tokenizer and chat format.
        path: the directory.
        below: an earlier checkpoint; if the weights below its adapter are the same, they are linked to.

    Raises:
        StoreError: they could not be written.
    """
    with boundary(StoreError, f"cannot write the checkpoint {path}"):
        path.mkdir(parents=True, exist_ok=True)
        transformers_logging.disable_progress_bar()
        if hasattr(module, "peft_config"):
            module.save_pretrained(path / ADAPTER, save_embedding_layers=False)
            # With the adapter injected, the base model's own save would write the adapter's names.
            module.get_base_model().config.save_pretrained(path)
            _save_below(_base_weights(module), path, below)
        else:
            module.save_pretrained(path)
        write_codec(codec, path)


def _save_below(weights: dict[str, torch.Tensor], path: Path, before: Path | None) -> None:
    mark = fingerprint(weights)
    if before is None or not _linked(before, path, mark):
        save_file(weights, path / WEIGHTS, metadata={"format": "pt"})
    write_fingerprint(path / ADAPTER, mark)


def _linked(before: Path, path: Path, mark: str) -> bool:
    """Whether an earlier checkpoint has the weights, and a link to them could be made."""
    try:
        if read_fingerprint(before / ADAPTER) != mark:
            return False
        os.link(before / WEIGHTS, path / WEIGHTS)
    except (ConfigError, OSError):
        # Some file systems know no links.
        return False
    return True


def _refuse_architecture(path: Path) -> None:
    """What is not computed here would be computed wrongly, and only the canary would tell."""
    try:
        with boundary(ProviderError, f"{path / CONFIG} cannot be read"):
            config = AutoConfig.from_pretrained(path, local_files_only=True)
    except ProviderError as problem:
        raise ConfigError(str(problem)) from problem
    rope = (getattr(config, "rope_parameters", None) or {}).get("rope_type", "default")
    layers = set(getattr(config, "layer_types", None) or ["full_attention"])
    problems = {
        f"its architecture is {config.model_type!r}; known: {', '.join(ARCHITECTURES)}": (
            config.model_type not in ARCHITECTURES
        ),
        f"its activation is {getattr(config, 'hidden_act', None)!r}, not 'silu'": (
            getattr(config, "hidden_act", "silu") != "silu"
        ),
        f"its rotary positions are of type {rope!r}; known: {', '.join(ROTATIONS)}": rope not in ROTATIONS,
        "its attention looks at a window only": layers != {"full_attention"},
        "its weights are quantized": getattr(config, "quantization_config", None) is not None,
    }
    found = [words for words, holds in problems.items() if holds]
    if found:
        raise ConfigError(f"{path} cannot be opened as a local policy: {found[0]}")


def _ends(module: Any) -> frozenset[int]:
    """Tokens that end what is generated, by the checkpoint's own word."""
    ends = getattr(module.generation_config, "eos_token_id", None)
    return frozenset(ends if isinstance(ends, list) else [] if ends is None else [ends])


def _refuse_gaps(path: Path, report: dict[str, Any]) -> None:
    for what in ("missing_keys", "mismatched_keys", "unexpected_keys"):
        if report.get(what):
            names = sorted(map(str, report[what]))
            raise ConfigError(f"the checkpoint {path} does not fit its own config.json: {what}: {', '.join(names[:3])}")


def _with_adapter(module: Any, path: Path, device: torch.device) -> Any:
    # peft takes seconds to import, and most policies have no adapter.
    from sandmle.plugins.llms.local.adapter import open_adapter  # noqa: PLC0415

    try:
        with boundary(ProviderError, f"the adapter {path} cannot be read or does not fit the weights"):
            return open_adapter(module, path, device)
    except ProviderError as problem:
        raise ConfigError(str(problem)) from problem


def _base_weights(module: Any) -> dict[str, torch.Tensor]:
    """The frozen weights under the names they have without an adapter, a shared one once."""
    found: dict[str, torch.Tensor] = {}
    seen: set[int] = set()
    for name, tensor in module.get_base_model().state_dict().items():
        if ".lora_" not in name and tensor.data_ptr() not in seen:
            seen.add(tensor.data_ptr())
            found[name.replace(".base_layer", "")] = tensor.contiguous()
    return found
