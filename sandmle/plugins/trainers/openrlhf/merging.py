"""A trained module's weights as a rollout engine loads them: adapters merged, under the names of a checkpoint. Pure.

OpenRLHF sends `named_parameters()` as they are. With PEFT those are `base_layer` and `lora_A`, none of which an engine
knows, and mixture-of-experts weights lie fused, as transformers computes with them and no checkpoint has them. Here the
sum of weight and delta is made out of place, one weight at a time: merging in place and undoing it drifts in bfloat16.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

import torch
from peft.tuners.lora.layer import Linear as LoraLinear
from peft.tuners.lora.layer import LoraLayer, ParamWrapper
from peft.utils.other import transpose
from transformers.core_model_loading import revert_weight_conversion

from sandmle.core.errors import PluginError

BASE: Final = "base_layer"
ADAPTER: Final = "lora_"
"""Every part of an adapter is called so."""
SAVED: Final = ("modules_to_save", "original_module")

Gather = Callable[[Sequence[torch.Tensor]], AbstractContextManager[Any]]
"""Brings parameters that are spread over processes together while its block lasts."""


def _here(parameters: Sequence[torch.Tensor]) -> AbstractContextManager[Any]:
    return nullcontext()


def merged_weights(
    module: Any, *, dtype: torch.dtype | None = None, gather: Gather = _here
) -> Iterator[tuple[str, torch.Tensor]]:
    """Every weight with the active adapters' deltas added, one after another, under the names `save_pretrained` gives.

    A weight that two names share is given once, unless an adapter on one of them tells the two apart.

    Args:
        module: a transformers model, with LoRA adapters by PEFT or without any. It is not changed.
        dtype: of what is given; None keeps each weight's own.
        gather: entered around each weight and its adapters; what is given must be used before the next is asked for.

    Raises:
        PluginError: an adapter of a kind whose delta is not a plain sum.
    """
    base = module.get_base_model() if hasattr(module, "get_base_model") else module
    layers = _layers(base)
    seen: set[tuple[int, tuple[int, ...]]] = set()
    for path, parameter in base.named_parameters(remove_duplicate=False):
        if _is_adapters(path):
            continue
        name = _clean(path)
        on_it = layers.get(name, [])
        key = (id(parameter), tuple(map(id, on_it)))
        if key in seen:
            continue
        seen.add(key)
        with torch.no_grad(), gather([parameter, *_parameters(on_it)]):
            weight = _merged(parameter, on_it).to(dtype or parameter.dtype)
            for hf_name, tensor in revert_weight_conversion(base, {name: weight}).items():
                yield hf_name, tensor.contiguous()


def adapted_names(module: Any) -> frozenset[str]:
    """Names, as the module has them without an adapter, of all weights that an adapter is on."""
    return frozenset(_layers(module.get_base_model())) if hasattr(module, "get_base_model") else frozenset()


def refuse_unsent(module: Any) -> None:
    """Refuse an adapter that a rollout engine would leave out.

    Raises:
        PluginError: it is on the output head of a model whose head is its embedding: engines load no head then.
    """
    base = module.get_base_model() if hasattr(module, "get_base_model") else module
    head = base.get_output_embeddings()
    if isinstance(head, LoraLayer) and getattr(base.config, "tie_word_embeddings", False):
        raise PluginError(
            "the adapter is on the output head, which this model shares with its embedding (tie_word_embeddings): vLLM "
            "loads no head of its own then, so what the adapter learns would never reach the rollouts; take lm_head "
            "out of plugin.trainer.openrlhf.lora.targets, or train all weights"
        )


def _layers(base: Any) -> dict[str, list[LoraLayer]]:
    """Adapted weights by clean name, each with the layers that are on it."""
    found: dict[str, list[LoraLayer]] = {}
    for path, layer in base.named_modules():
        if not isinstance(layer, LoraLayer):
            continue
        _refuse_unknown(path, layer)
        weight = layer.parameter_name if isinstance(layer, ParamWrapper) else "weight"
        found.setdefault(_clean(f"{path}.{weight}"), []).append(layer)
    return found


def _refuse_unknown(path: str, layer: LoraLayer) -> None:
    what = None
    if layer.merged:
        what = "is merged into its weight already"
    elif layer.lora_variant:
        what = f"is a {type(next(iter(layer.lora_variant.values()))).__name__}"
    elif any(layer.lora_bias.values()):
        what = "has a bias"
    if what:
        raise PluginError(f"the adapter on {_clean(path)} {what}: only plain LoRA can be sent to a rollout engine")


def _is_adapters(path: str) -> bool:
    parts = path.split(".")
    if any(part in SAVED for part in parts):
        raise PluginError(
            f"{path}: modules that are trained whole beside an adapter cannot be sent to a rollout engine"
        )
    return any(part.startswith(ADAPTER) for part in parts)


def _clean(path: str) -> str:
    return ".".join(part for part in path.split(".") if part != BASE)


def _parameters(layers: Sequence[LoraLayer]) -> list[torch.Tensor]:
    """The adapters' own parameters, not those of the layers they are on."""
    return [one for layer in layers for path, one in layer.named_parameters() if _own(path)]


def _own(path: str) -> bool:
    return path.split(".")[0].startswith(ADAPTER)


def _merged(parameter: torch.Tensor, layers: Sequence[LoraLayer]) -> torch.Tensor:
    """The sum, in float32 where there is anything to add."""
    if not layers:
        return parameter.detach()
    total = parameter.detach().float()
    for layer in layers:
        for adapter in layer.active_adapters:
            if adapter in layer.scaling:
                total = total + _delta(layer, adapter)
    return total


def _delta(layer: LoraLayer, adapter: str) -> torch.Tensor:
    if not isinstance(layer, LoraLinear) or adapter not in layer.lora_A:
        return layer.get_delta_weight(adapter).detach().float()
    # PEFT's own rounds to the weight's dtype before the sum, which loses small deltas.
    up, down = layer.lora_B[adapter].weight.detach().float(), layer.lora_A[adapter].weight.detach().float()
    delta: torch.Tensor = transpose(up @ down, layer.fan_in_fan_out) * layer.scaling[adapter]
    return delta
