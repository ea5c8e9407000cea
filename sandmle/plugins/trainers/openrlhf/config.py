"""What can be configured about the OpenRLHF trainer. The defaults are the paper's run, where nothing else is said."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from sandmle.core.engine.advantage import Estimator
from sandmle.core.types.trajectory import StopReason

Positive = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0, le=1)]


class _Section(BaseModel):
    # Building validators takes longer than showing help: it waits for the first use.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class LoraSection(_Section):
    """`[plugin.trainer.openrlhf.lora]`, used where `adapter` is true."""

    rank: Positive = 32
    alpha: Positive = 64
    """A whole number: OpenRLHF takes no other."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    targets: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


class CorrectionSection(_Section):
    """`[plugin.trainer.openrlhf.correction]`: importance correction for what vLLM and the trainer compute apart."""

    level: Literal["off", "token", "seq"] = "token"
    mode: Literal["mask", "clip"] = "clip"
    threshold: tuple[float, float] = (0.5, 5.0)
    """Bounds of the ratio; OpenRLHF's defaults."""


class GrpoSection(_Section):
    """`[plugin.trainer.openrlhf.grpo]`: trajectory-wise GRPO."""

    steps: Positive = 80
    """Rollout batches; one optimizer step each, unless `minibatches` says more."""
    tasks_per_step: Positive = 16
    group_size: Annotated[int, Field(ge=2)] = 4
    minibatches: Positive = 1
    """Optimizer steps per rollout batch."""
    epochs: Positive = 1
    """Passes over a rollout batch."""
    micro_batch: Positive = 1
    """Trajectories in one forward pass of one process."""
    adapter: bool = False
    """Train a LoRA adapter; otherwise all weights."""
    learning_rate: Annotated[float, Field(gt=0)] | None = None
    """None takes 1e-6 for all weights, as in the paper, and 2e-5 for an adapter, which the paper does not have."""
    scheduler: str = "constant_with_warmup"
    """A schedule that transformers knows by name."""
    warmup_ratio: Annotated[float, Field(ge=0, lt=1)] = 0.0
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    grad_clip: Annotated[float, Field(gt=0)] = 1.0
    estimator: Estimator = Estimator.GROUP_NORM
    clip_low: Annotated[float, Field(gt=0, lt=1)] = 0.2
    clip_high: Annotated[float, Field(gt=0)] = 0.28
    aggregate: Literal["token-mean", "seq-mean-token-mean"] = "seq-mean-token-mean"
    kl: Annotated[float, Field(ge=0)] = 0.0
    """Weight of the k3 estimate of the divergence from the first policy; 0 needs no second model."""
    filter_range: tuple[float, float] | None = None
    """Groups whose mean reward lies outside are replaced by other tasks' groups, as long as there are any."""
    masked_stops: tuple[StopReason, ...] = (StopReason.DEADLINE,)
    """Episodes that ended so count in their group and are left out of the loss."""
    reward_canary: bool = True
    """Before the first step, have OpenRLHF's own parts train a toy for some seconds and stop when its reward does not
    rise."""
    evaluate_every: Annotated[int, Field(ge=0)] = 5
    """Steps between evaluations on the validation tasks, if there are any; 0 for none."""
    validation_group_size: Positive = 1
    save_every: Positive = 5
    """Steps between checkpoints; a stopped run goes on from the last one."""
    keep_checkpoints: Positive = 3

    def rate(self) -> float:
        return self.learning_rate or (2e-5 if self.adapter else 1e-6)

    @property
    def trajectories(self) -> int:
        """Of one rollout batch."""
        return self.tasks_per_step * self.group_size


class EngineSection(_Section):
    """`[plugin.trainer.openrlhf.engine]`: how vLLM and DeepSpeed share the GPUs."""

    colocate: bool = True
    """vLLM and DeepSpeed take turns on the same GPUs. Otherwise half of every node's GPUs generate."""
    tensor_parallel: Positive | None = None
    """GPUs of one vLLM engine. None takes the smallest number whose share of the weights leaves room for keys and
    values, as far as the GPUs of a node go."""
    sequence_parallel: Positive | None = None
    """GPUs that share one long sequence in training (ring attention). None takes the smallest number that brings one
    copy of a sequence's logits in 32 bits below 8 GiB, as far as the GPUs of a node go."""
    memory_share: Share = 0.5
    """Of a GPU's memory, for vLLM while it generates."""
    eager: bool = True
    """No CUDA graphs: less memory, slower."""
    prefix_caching: bool = True
    zero_stage: Literal[2, 3] = 2
    offload_optimizer: bool = False
    """Keep the optimizer's state in the memory of the host."""
    dtype: Literal["bf16", "fp16"] = "bf16"
    attention: str = "flash_attention_2"
    """As transformers names it; `sdpa` needs no flash-attn, and packs no sequences."""
    packing: bool = True
    """No padding between sequences; needs flash attention."""
    dynamic_batch: bool = False
    """Fill forward passes up to `batch_tokens` instead of counting sequences."""
    batch_tokens: Positive | None = None
    """Tokens of one forward pass and GPU, where `dynamic_batch` is on; None takes one longest sequence."""


class SftSection(_Section):
    """`[plugin.trainer.openrlhf.sft]`: imitation through `openrlhf.cli.train_sft`. As in the released scripts."""

    epochs: Positive = 2
    learning_rate: Annotated[float, Field(gt=0)] = 1e-5
    batch_sequences: Positive = 32
    micro_batch: Positive = 1
    max_tokens: Positive = 40_000
    """Longer demonstrations are left out; OpenRLHF would cut them in silence."""
    keep: Literal["all", "valid", "medal"] = "valid"
    adapter: bool = False
    """Train a LoRA adapter; otherwise all weights."""
    template: Path | None = None
    """Jinja file with the chat template to train under. None takes the tokenizer's own where its mask is proven, else
    a plain one of the same tokens."""


class OpenRlhfConfig(_Section):
    """`[plugin.trainer.openrlhf]`."""

    policy: str | None = None
    """Hugging Face name or local folder of the model to start from."""
    tasks: Path | None = None
    """Folder or manifest of training tasks; written into the resolved configuration by `train grpo --tasks`."""
    validation: Path | None = None
    """Folder or manifest of validation tasks."""
    gpus: Positive = 8
    """GPUs of each node."""
    nodes: Positive = 1
    gpu_memory_gb: Annotated[float, Field(gt=0)] = 80.0
    """Memory of one GPU, for the estimate of what fits."""
    ray_address: str | None = None
    """An existing cluster: `auto`, `HOST:PORT` or `ray://...`. None starts Ray on this machine."""
    sandbox_resource: str | None = None
    """A resource of the Ray cluster, as `ray start --resources='{"sandboxes": 1}'` gives one: episodes, with sandbox
    and grader, are then played on hosts that have it. None plays them beside the rollout engines."""
    prompt_tokens: Positive = 8_192
    response_tokens: Positive = 32_768
    """Tokens of a trajectory after its first prompt, observations included."""
    grpo: GrpoSection = Field(default_factory=GrpoSection)
    lora: LoraSection = Field(default_factory=LoraSection)
    correction: CorrectionSection = Field(default_factory=CorrectionSection)
    engine: EngineSection = Field(default_factory=EngineSection)
    sft: SftSection = Field(default_factory=SftSection)

    @staticmethod
    def lasting(section: dict[str, object]) -> dict[str, object]:
        """What must stay when a run is resumed: everything but where the cluster is, and who plays where in it."""
        return {
            name: value
            for name, value in section.items()
            if name not in {"ray_address", "gpu_memory_gb", "sandbox_resource"}
        }

    @property
    def max_tokens(self) -> int:
        """Tokens of a whole trajectory."""
        return self.prompt_tokens + self.response_tokens

    @property
    def world(self) -> int:
        """All GPUs."""
        return self.gpus * self.nodes
