"""What known mistakes of sending LoRA weights would make of the log-probs: tried out on the trainer's own module."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import torch

from sandmle.plugins.trainers.canaries.sync import Probe, Scorer, Suspect

LEFT_OUT: Final = (
    "it generates with the weights below the LoRA adapter: the adapter never reached it; what is sent must be the base "
    "weights plus the adapter's, under the names of the model without an adapter"
)
TWICE: Final = (
    "the LoRA adapter counts twice: it was merged into weights that held it already, or merged and opened on top; "
    "merge into a copy of the base weights, never in place"
)
UNSCALED: Final = "the LoRA adapter was merged without its scale, alpha over rank"
TRANSPOSED: Final = (
    "the LoRA adapter's product was transposed before it was added to the weights; it is B A, not its transpose"
)


def adapter_suspects(module: Any, score: Scorer) -> tuple[Suspect, ...]:
    """The known mistakes with the adapter of `module`; none where it has none.

    Args:
        module: as `peft` makes it; its scales and matrices are changed for the time of a look, and put back.
        score: computes log-probs with `module` as it then is.
    """
    layers = [one for one in module.modules() if hasattr(one, "lora_A") and hasattr(one, "scaling") and len(one.lora_A)]
    if not layers:
        return ()

    def while_(changed: Callable[[], Any]) -> Scorer:
        def scored(probes: Sequence[Probe]) -> Sequence[Sequence[float]]:
            with changed():
                return score(probes)

        return scored

    return (
        Suspect(cause=LEFT_OUT, score=while_(lambda: _scaled(layers, lambda scale: 0.0))),
        Suspect(cause=TWICE, score=while_(lambda: _scaled(layers, lambda scale: 2 * scale))),
        Suspect(cause=UNSCALED, score=while_(lambda: _scaled(layers, lambda scale: 1.0))),
        Suspect(cause=TRANSPOSED, score=while_(lambda: _transposed(layers))),
    )


@contextmanager
def _scaled(layers: Sequence[Any], scale: Callable[[float], float]) -> Iterator[None]:
    kept = [dict(layer.scaling) for layer in layers]
    try:
        for layer in layers:
            for name in layer.scaling:
                layer.scaling[name] = scale(layer.scaling[name])
        yield
    finally:
        for layer, scaling in zip(layers, kept, strict=True):
            layer.scaling.update(scaling)


@contextmanager
def _transposed(layers: Sequence[Any]) -> Iterator[None]:
    """Only square products can be added transposed; others would have failed loudly."""
    pairs = [(layer.lora_A[name].weight, layer.lora_B[name].weight) for layer in layers for name in layer.lora_A]
    square = [(a, b) for a, b in pairs if a.shape[1] == b.shape[0]]
    kept = [(a.detach().clone(), b.detach().clone()) for a, b in square]
    try:
        with torch.no_grad():
            for (a, b), (was_a, was_b) in zip(square, kept, strict=True):
                a.copy_(was_b.T)
                b.copy_(was_a.T)
        yield
    finally:
        with torch.no_grad():
            for (a, b), (was_a, was_b) in zip(square, kept, strict=True):
                a.copy_(was_a)
                b.copy_(was_b)
