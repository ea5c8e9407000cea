"""What a training made, for others to open: the adapter alone, or its weights merged into the model below it.

Takes the output of both trainers: the local one keeps base and adapter in one checkpoint, OpenRLHF leaves the adapter
alone and names the base. Merging is that of the weight sync: out of place, under the names of a checkpoint.
"""

import json
import shutil
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from peft import PeftModel
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

from sandmle.core.engine.fingerprints import refuse_foreign
from sandmle.core.errors import ConfigError, ProviderError, StoreError, boundary
from sandmle.plugins.trainers.local.output import STATE, refuse_damage
from sandmle.plugins.trainers.models import ADAPTER_CONFIG, CONFIG, WEIGHTS, adapter_of, checkpoint_in, has_weights
from sandmle.plugins.trainers.openrlhf.merging import merged_weights

HEAD: Final = "lm_head.weight"
SHARD_BYTES: Final = 5_000_000_000
_TRAINERS: Final = ("trainer.pt", "SHA256SUMS")
"""What the local trainer goes on from, which is of no use without it."""
_WEIGHTS: Final = (".safetensors", ".bin", ".pt", ".index.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was written."""

    source: str
    merged: str | None
    adapter: str | None
    base: str | None
    """What is below the adapter; None where all weights were trained."""

    def words(self) -> str:
        made = [f"merged weights in {self.merged}"] if self.merged else []
        made += [f"the adapter in {self.adapter}"] if self.adapter else []
        return f"{' and '.join(made)}, from {self.source}"


def export_policy(trained: Path, *, merge: Path | None, adapter: Path | None, base: str | None) -> Exported:
    """Export a training's result.

    Args:
        trained: its output directory, or one checkpoint.
        merge: a new directory for whole weights.
        adapter: a new directory for the adapter alone.
        base: name or folder of the model below the adapter; None takes the one that the checkpoint holds or names.

    Raises:
        ConfigError: there is nothing to export, it cannot be read or is damaged; a target exists.
        PluginError: an adapter of a kind that cannot be merged.
        StoreError: something could not be written.
    """
    if merge is None and adapter is None:
        raise ConfigError("say what to export: --merge DIR, --adapter DIR, or both")
    source = _found(trained)
    on_top = adapter_of(source)
    if on_top is None and adapter is not None:
        raise ConfigError(f"{source} holds whole weights and no adapter; export it by --merge")
    if not has_weights(on_top or source):
        raise ConfigError(f"{on_top or source} holds no weights (*{' or *'.join(WEIGHTS)}): there is nothing to export")
    _refuse_damage(source)
    below = _base_of(source, on_top, base) if on_top is not None else None
    for target in (one for one in (merge, adapter) if one is not None):
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise ConfigError(f"{target} exists already; name a new directory")
    if adapter is not None and on_top is not None:
        _write(adapter, lambda part: _copy(on_top.iterdir(), part))
    if merge is not None:
        if on_top is None or below is None:
            _write(merge, lambda part: _copy(source.iterdir(), part))
        else:
            _write(merge, lambda part: _merge(source, on_top, below, part))
    return Exported(
        source=str(source),
        merged=str(merge) if merge else None,
        adapter=str(adapter) if adapter else None,
        base=below,
    )


def _found(trained: Path) -> Path:
    found = checkpoint_in(trained)
    if found is None:
        raise ConfigError(
            f"{trained} holds nothing that was trained: no {CONFIG} and no {ADAPTER_CONFIG} in it or its policy/"
        )
    return found


def _refuse_damage(source: Path) -> None:
    """Only the local trainer's checkpoints tell, and only where its state lies there, too."""
    if not (source / STATE).is_file():
        return
    try:
        refuse_damage(source)
    except StoreError as problem:
        raise ConfigError(f"{problem}; export another checkpoint of the training") from problem


def _base_of(source: Path, on_top: Path, base: str | None) -> str:
    if base is not None:
        return base
    if on_top != source:
        return str(source)
    try:
        named = json.loads((on_top / ADAPTER_CONFIG).read_text("utf-8")).get("base_model_name_or_path")
    except (OSError, ValueError) as problem:
        raise ConfigError(f"{on_top / ADAPTER_CONFIG} cannot be read: {problem}") from problem
    if not named:
        raise ConfigError(f"{on_top / ADAPTER_CONFIG} names no model below the adapter; give --base")
    return str(named)


def _merge(source: Path, on_top: Path, below: str, part: Path) -> None:
    try:
        with boundary(ProviderError, f"the adapter {on_top} cannot be opened on {below}"), warnings.catch_warnings():
            # A head that differs from the embedding it shared its weights with is told apart below.
            warnings.filterwarnings("ignore", message="Model has `tie_word_embeddings=True`", category=UserWarning)
            module = AutoModelForCausalLM.from_pretrained(below, dtype="auto")
            refuse_foreign(on_top, module.state_dict(), below)
            adapted = PeftModel.from_pretrained(module, on_top)
    except ProviderError as problem:
        raise ConfigError(f"{problem}; --base names another model or folder") from problem
    names = _save_shards(merged_weights(adapted), part)
    config = adapted.get_base_model().config
    if HEAD in names and getattr(config, "tie_word_embeddings", False):
        # An adapter on the head told it apart from the embedding.
        config.tie_word_embeddings = False
    config.save_pretrained(part)
    folders = [source, *([Path(below)] if Path(below).is_dir() else [])]
    for folder in folders:
        kept = (one for one in folder.iterdir() if one.is_file() and not one.name.endswith(_WEIGHTS))
        _copy((one for one in kept if one.name != ADAPTER_CONFIG and not (part / one.name).exists()), part)


def _save_shards(weights: Iterator[tuple[str, Any]], part: Path) -> set[str]:
    """As transformers writes them: one file, or several with an index."""
    shards: list[dict[str, torch.Tensor]] = []
    written: list[list[str]] = []
    total, held = 0, 0
    for name, tensor in weights:
        size = tensor.numel() * tensor.element_size()
        if not shards or (held and held + size > SHARD_BYTES):
            if shards:
                written.append(_save_shard(shards.pop(), part, len(written)))
            shards, held = [{}], 0
        shards[0][name] = tensor
        held, total = held + size, total + size
    written.append(_save_shard(shards.pop() if shards else {}, part, len(written)))
    where: dict[str, str] = {}
    for number, names in enumerate(written):
        final = _shard_name(number, len(written))
        (part / f"{number}.part").rename(part / final)
        where |= dict.fromkeys(names, final)
    if len(written) > 1:
        index = {"metadata": {"total_size": total}, "weight_map": where}
        (part / "model.safetensors.index.json").write_text(json.dumps(index, indent=1), "utf-8")
    return set(where)


def _save_shard(tensors: dict[str, torch.Tensor], part: Path, number: int) -> list[str]:
    save_file(tensors, part / f"{number}.part", metadata={"format": "pt"})
    return list(tensors)


def _shard_name(number: int, count: int) -> str:
    return "model.safetensors" if count == 1 else f"model-{number + 1:05d}-of-{count:05d}.safetensors"


def _copy(files: Iterable[Path], target: Path) -> None:
    for one in files:
        if one.is_file() and one.name not in _TRAINERS:
            shutil.copyfile(one, target / one.name)


def _write(target: Path, fill: Any) -> None:
    """Fill a directory beside the target, then put it in its place: whole or not at all."""
    part = target.with_name(f".{target.name}.part")
    with boundary(StoreError, f"cannot write {target}"):
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        try:
            fill(part)
            if target.is_dir():
                target.rmdir()
            part.rename(target)
        finally:
            shutil.rmtree(part, ignore_errors=True)
