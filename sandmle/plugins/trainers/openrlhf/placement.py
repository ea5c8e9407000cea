"""Who gets which GPUs: training processes, vLLM engines, and how many GPUs share one of either. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sandmle.plugins.trainers.models import BF16_BYTES, ModelFacts
from sandmle.plugins.trainers.openrlhf.config import EngineSection, OpenRlhfConfig

GIB: Final = 1024**3
LOGITS_BYTES: Final = 4
"""OpenRLHF casts the logits of a whole sequence to 32 bits."""
MOST_LOGITS_GIB: Final = 8.0
"""Of one copy on one GPU, above which a sequence is shared by more GPUs: several copies live at a time."""
MOST_WEIGHTS_SHARE: Final = 0.6
"""Of the memory that a vLLM engine has on a GPU; the rest is for keys and values."""
ADAM_BYTES: Final = 12
"""Per trained parameter: a copy in 32 bits and two moments."""
LOGITS_COPIES_BYTES: Final = 10
"""Per logit: bf16, 32 bits, and the gradient in 32 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """How the GPUs are shared out."""

    nodes: int
    training_gpus: int
    """Of each node, for DeepSpeed; with `colocate`, all of them."""
    engines: int
    tensor_parallel: int
    """GPUs of one engine."""
    sequence_parallel: int
    """GPUs that share one sequence in training."""

    @property
    def ranks(self) -> int:
        """Training processes that each take trajectories of their own."""
        return self.nodes * self.training_gpus // self.sequence_parallel


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryNeed:
    """Of one GPU, in GB: a formula over the model's shape, no measurement."""

    training_gb: float
    """Weights, gradients, the optimizer's state, logits and one activation per layer."""
    generating_gb: float
    """What vLLM may take, and where both share a GPU the trainer's weights beside it."""


def place(config: OpenRlhfConfig, facts: ModelFacts | None) -> Placement:
    """Share out the configured GPUs. What cannot work out is for `constraints` to say."""
    engine = config.engine
    # Whoever has one GPU has them take turns, or has none to train on.
    training = config.gpus if engine.colocate or config.gpus == 1 else config.gpus - config.gpus // 2
    generating = config.gpus if engine.colocate else config.gpus // 2
    tensor_parallel = engine.tensor_parallel or _tensor_parallel(config, facts, generating)
    return Placement(
        nodes=config.nodes,
        training_gpus=training,
        engines=config.nodes * generating // tensor_parallel,
        tensor_parallel=tensor_parallel,
        sequence_parallel=engine.sequence_parallel or _sequence_parallel(config, facts, training),
    )


def memory_need(config: OpenRlhfConfig, place: Placement, facts: ModelFacts) -> MemoryNeed:
    """By the formula that docs/training-openrlhf.md spells out."""
    engine, world = config.engine, place.nodes * place.training_gpus
    weights = facts.parameters * BF16_BYTES / (world if engine.zero_stage == 3 else 1)
    trained = facts.parameters
    if config.grpo.adapter:
        trained = facts.adapter_parameters(config.lora.rank, config.lora.targets)
    gradients = trained * BF16_BYTES / world
    optimizer = 0.0 if engine.offload_optimizer else trained * ADAM_BYTES / world
    tokens = config.max_tokens * config.grpo.micro_batch / place.sequence_parallel
    logits = tokens * facts.vocabulary * LOGITS_COPIES_BYTES
    activations = tokens * facts.hidden * facts.layers * BF16_BYTES
    generating = config.gpu_memory_gb * engine.memory_share
    return MemoryNeed(
        training_gb=(weights + gradients + optimizer + logits + activations) / 1e9,
        generating_gb=generating + (weights / 1e9 if engine.colocate else 0.0),
    )


def weights_gb(place: Placement, facts: ModelFacts) -> float:
    """Of one vLLM engine, on each of its GPUs."""
    return facts.parameters * BF16_BYTES / place.tensor_parallel / 1e9


def _tensor_parallel(config: OpenRlhfConfig, facts: ModelFacts | None, gpus: int) -> int:
    """The smallest power of two that leaves room for keys and values, as far as the GPUs of a node go."""
    if facts is None:
        return 1
    room = config.gpu_memory_gb * 1e9 * config.engine.memory_share * MOST_WEIGHTS_SHARE
    return _smallest(gpus, lambda share: facts.parameters * BF16_BYTES / share <= room)


def _sequence_parallel(config: OpenRlhfConfig, facts: ModelFacts | None, gpus: int) -> int:
    if facts is None or not _packs(config.engine):
        return 1
    logits = config.max_tokens * facts.vocabulary * LOGITS_BYTES
    return _smallest(gpus, lambda share: logits / share <= MOST_LOGITS_GIB * GIB)


def _packs(engine: EngineSection) -> bool:
    return engine.packing and "flash_attention" in engine.attention


def _smallest(gpus: int, enough: Callable[[int], bool]) -> int:
    share = 1
    while not enough(share) and gpus % (share * 2) == 0:
        share *= 2
    return share
