"""What can be configured about local policies."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Dtype = Literal["float32", "bfloat16"]
FormatName = Literal["chatml", "qwen3", "llama3"]


class LocalConfig(BaseModel):
    """`[plugin.llm.local]`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$")] = "cpu"
    """`auto` (a GPU where there is one), `cpu`, `cuda`, `cuda:1`. Not `auto` by default: what a run gives would
    depend on the machine, and policies below some million parameters are faster on a CPU."""
    dtype: Dtype = "float32"
    """What forward passes compute in, generation and training alike. Trained weights are float32 either way; frozen
    ones, those below an adapter, are held in this type. Log-probs are taken in float32."""
    chat_format: FormatName | None = None
    """How conversations are written for a checkpoint that has no `chat_format.json`; None reads it off the chat
    template. Named formats concatenate: no thought is dropped, nothing trimmed, no date or text added."""
    threads: Annotated[int, Field(ge=1)] = 1
    """Threads of torch, for the whole process."""
    window_s: Annotated[float, Field(ge=0)] = 0.005
    """How long a request waits for others to be decoded with."""
    max_batch: Annotated[int, Field(ge=1)] = 64
    """Conversations decoded together."""
    cached_tokens: Annotated[int, Field(ge=0)] = 200_000
    """Tokens whose keys and values are kept, so that a growing conversation is read once; fewer where a quarter of
    `memory_share` does not hold them."""
    memory_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Share of a GPU's memory that keys and values may take; a batch that needs more is decoded in parts."""
    look_every: Annotated[int, Field(ge=1)] | None = None
    """Tokens sampled between two looks at whether a reply is over. None takes 1 on a CPU and 16 on a GPU, which
    would have to wait for every look; what is sampled beyond the end is thrown away."""
